"""Administrators who act on accounts: what they say, and the people they say it about."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.flows import carrying_out, interventions
from accounts.flows.intervention_rules import Word
from accounts.flows.interventions import Act, Wanted
from accounts.models import Binding, HelpRules, Intervention, User
from accounts.session_store import SessionStore
from audit.models import AuditEvent
from tests.factories import AdministratorFactory, enrol_totp, live_binding, password_proof, proof_of, session_of

WORD = Word(reason="lost the phone", verified_how="video")


def fresh(actor: User) -> SessionStore:
    """A session of an administrator who proved password and app just now."""
    if not Binding.objects.filter(person=actor, kind=Binding.Kind.TOTP, unbound_at=None).exists():
        enrol_totp(actor)
    return session_of(actor, password_proof(), proof_of(live_binding(actor)))


def ask(person: User, actor: User, kind: Act = Act.RESET, *, word: Word = WORD, **what: Any) -> Intervention:
    """The act that this administrator asks for, in a fresh session."""
    return interventions.ask(Wanted(kind=kind, person=person, **what), actor=actor, session=fresh(actor), word=word)


def approve(act: Intervention, actor: User) -> Intervention:
    """Agree to it in a fresh session."""
    return interventions.approve(act, actor=actor, session=fresh(actor))


def reset(person: User, *, actor: User, session: SessionStore | None = None, reason: str = WORD.reason) -> Intervention:
    """Reset somebody who is no administrator: done at once."""
    asked, word = Wanted(kind=Act.RESET, person=person), Word(reason=reason, verified_how=WORD.verified_how)
    return interventions.ask(asked, actor=actor, session=session or fresh(actor), word=word)


def settled_administrator(**fields: Any) -> User:
    """Somebody who has been an administrator for long, made by nobody else here."""
    person = AdministratorFactory(**fields)
    long_ago = timezone.now() - timedelta(days=400)
    User.objects.filter(pk=person.pk).update(administrator_since=long_ago)
    person.refresh_from_db()
    return person


def rules(person: User, **chosen: Any) -> None:
    """The rules for helping of this person's tenant."""
    HelpRules.objects.update_or_create(tenant=person.tenant, defaults=chosen)


def settle(now: datetime | None = None) -> list[Intervention]:
    """What the periodic work does with acts; returns what was due."""
    acts = list(carrying_out.due(now or timezone.now()))
    for one in acts:
        carrying_out.settle(one)
    return acts


def events(kind: str) -> list[AuditEvent]:
    """What was recorded of a kind, oldest first."""
    return list(AuditEvent.objects.filter(kind=kind).order_by("sequence"))
