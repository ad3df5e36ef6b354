"""What a sign-in was decided on, kept so that it can be explained later and tried under other rules."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import QuerySet

from accounts.models import User
from policies import receipts
from policies.enforcement import Judgement
from policies.models import DecidedSignIn

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

KEPT_FOR: Final = timedelta(days=90)


def keep(session: "SessionStore", person: User, judgement: Judgement) -> None:
    """One decision of a sign-in with its facts."""
    decision = judgement.decision
    DecidedSignIn.objects.create(
        tenant_id=person.tenant_id,
        person_id=person.pk,
        session=session.row.public_id,
        at=decision.at,
        facts=receipts.stored(decision.facts),
        outcome=decision.outcome.value,
        reasons=[reason.value for reason in decision.reasons],
        satisfied_by=[method.value for method in decision.satisfied_by],
        deadline=decision.deadline,
        policy_version=decision.policy_version,
        would_stop=judgement.would_stop,
    )


def expired(now: datetime) -> QuerySet[DecidedSignIn]:
    """What is too old to be explained or tried again, and is removed (`manage.py purge_expired`)."""
    return DecidedSignIn.objects.filter(at__lt=now - KEPT_FOR)
