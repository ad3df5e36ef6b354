"""Somebody whose two-step verification was just reset, and an act that issues a pass for them."""

import re
from collections.abc import Iterable
from datetime import timedelta
from email.message import Message

from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.flows import access_passes
from accounts.models import AccessPass, Intervention, User
from accounts.session_store import SessionStore
from audit.models import AuditEvent
from tests.accounts import acts_scene
from tests.factories import PASSWORD, enrol_totp, live_binding, password_proof, proof_of, session_of

LINK = re.compile(r"/enrol/link/([\w-]{43})/\s")
WORDS = {"reason": "lost the phone", "verified_how": "video call"}


def fresh(actor: User) -> SessionStore:
    """A session of an administrator who proved password and app just now."""
    if actor.mfa_enrolled_at is None:
        enrol_totp(actor)
    return session_of(actor, password_proof(), proof_of(live_binding(actor)))


def guard(person: User, actor: User) -> None:
    """Reset the person, as the administrator does it."""
    acts_scene.reset(person, actor=actor, session=fresh(actor))
    person.refresh_from_db()


def token_in_mail() -> str:
    """The token of the newest link that was mailed."""
    return tokens_in_mail()[-1]


def tokens_in_mail() -> list[str]:
    """The tokens of all links that were mailed, oldest first."""
    return [found for message in mail.outbox for found in LINK.findall(str(message.body))]


def tokens_in(messages: Iterable[Message]) -> list[str]:
    """The same, of what a real mail server got."""
    texts = [part.get_payload(decode=True) for message in messages for part in message.walk()]
    return [found for text in texts if isinstance(text, bytes) for found in LINK.findall(text.decode())]


def act(person: User, actor: User, *, minutes: int | None = None, by_command: bool = False) -> Intervention:
    """The act of issuing a pass, as it is when it is carried out."""
    now = timezone.now()
    return Intervention.objects.create(
        kind=Intervention.Kind.ACCESS_PASS,
        state=Intervention.State.DONE,
        person=person,
        tenant=person.tenant,
        minutes=minutes,
        by_command=by_command,
        requested_by=actor.pk,
        requested_by_label=str(actor),
        needs_approval=False,
        not_before=now,
        expires_at=now + timedelta(days=7),
        finished_at=now,
        **WORDS,
    )


def issued(person: User, actor: User, *, minutes: int | None = None) -> AccessPass:
    """A pass that has no characters yet."""
    return access_passes.issue(act(person, actor, minutes=minutes))


def shown(person: User, actor: User, *, minutes: int | None = None) -> str:
    """The characters of a new pass."""
    return access_passes.show(issued(person, actor, minutes=minutes), actor=actor, session=fresh(actor))


def typed(person: User, wanted: str = "") -> Client:
    """A browser in which somebody signed in with their password, at the page."""
    client = Client()
    said = {"login": person.email, "password": PASSWORD, "next": wanted}
    client.post(reverse("account_login"), said)
    return client


def events(kind: str) -> list[AuditEvent]:
    """What was recorded of a kind, oldest first."""
    return list(AuditEvent.objects.filter(kind=kind).order_by("sequence"))
