"""The states of an act on an account: how one is left, what events say of it, and who is told.

The callers hold the row of the person (`hold`), so that acts, cancelling and enrolling take turns.
"""

from typing import Any, Final

from django.utils import timezone

from accounts import cancelling, notices
from accounts.flows import intervention_rules as rules
from accounts.flows import people
from accounts.models import Intervention, Notice, User

State = Intervention.State
OPEN: Final = (State.ASKED, State.WAITING)
MAIL: Final = "intervention_requested"


def hold(act: Intervention) -> tuple[User, Intervention]:
    """The person's row, held, and the act as it stands then."""
    person = people.lock(act.person)
    held = Intervention.objects.select_related("binding", "caller_check", "tenant").get(pk=act.pk)
    held.person = person
    return person, held


def move(act: Intervention, state: State, *, by: User | None, trouble: str = "") -> bool:
    """Leave the open states for this one; whether this call did it."""
    end: dict[str, Any] = {"state": state, "finished_at": timezone.now(), "trouble": trouble}
    end |= {"finished_by": by.pk, "finished_by_label": str(by)} if by is not None else {}
    moved = Intervention.objects.filter(pk=act.pk, state__in=OPEN).update(**end)
    for name, value in end.items() if moved else ():
        setattr(act, name, value)
    return bool(moved)


def leave(act: Intervention, state: State, *, by: User | None, trouble: str = "") -> bool:
    """As `move`, to an end at which nothing was done; the person and who asked are told of it."""
    if not move(act, state, by=by, trouble=trouble):
        return False
    notices.send("intervention_ended", act.person, by_other=True, act=act.kind, outcome=state.value)
    if by is None or by.pk != act.requested_by:
        tell_requester(act)
    return True


def tell_of_request(act: Intervention) -> None:
    """The person, who can cancel it, and everybody who may agree to it."""
    about: dict[str, Any] = {"by_other": True, "act": act.kind, "not_before": act.not_before.isoformat()}
    agreed: dict[str, Any] = {"intervention": str(act.pk), "to_agree": act.needs_approval}
    notices.send(MAIL, act.person, **agreed, **about)
    if act.needs_approval:
        for administrator in people.who_answers_for(act.person):
            if rules.may_decide(administrator, act):
                asked_by = name_of_requester(act, administrator)
                notices.send("intervention_to_decide", administrator, what=act.person.email, asked_by=asked_by, **about)


def fresh(notice: Notice) -> dict[str, Any] | None:
    """The link that cancels an act, as the mail goes out: no table holds it. None where nothing is left to cancel."""
    act = Intervention.objects.filter(pk=notice.facts["intervention"], state__in=OPEN).first()
    return None if act is None else {"cancel_url": cancelling.url_of(act.pk)}


def name_of_requester(act: Intervention, viewer: User) -> str:
    """Who asked, for who may know them; empty where that is somebody of another tenant."""
    theirs = User.objects.filter(pk=act.requested_by, tenant_id=viewer.tenant_id)
    return act.requested_by_label if viewer.is_superuser or theirs.exists() else ""


def tell_requester(act: Intervention) -> None:
    requester = User.objects.filter(pk=act.requested_by, is_active=True).first()
    if requester is not None and requester.pk != act.person_id:
        notices.send(
            "intervention_settled", requester, what=str(act.person), by_other=True, act=act.kind, outcome=act.state
        )


def facts(act: Intervention) -> dict[str, Any]:
    """What every event of an act says of it."""
    return {
        "intervention": str(act.pk),
        "act": act.kind,
        "authenticator": None if act.binding_id is None else str(act.binding_id),
        "by_command": act.by_command or None,
    }


def word_of(act: Intervention) -> dict[str, Any]:
    """What the event of asking says beside that."""
    return {
        "reason": act.reason,
        "verified_how": act.verified_how,
        "ticket": act.ticket or None,
        "caller_check": None if act.caller_check_id is None else str(act.caller_check_id),
        "email": act.address or None,
        "needs_approval": act.needs_approval,
        "not_before": act.not_before,
    }
