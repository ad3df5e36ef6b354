"""The mailed link with which a new person sets their own first password: once, within 72 hours."""

import hashlib
import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts import notices
from accounts.errors import LinkInvalid, NotAllowed
from accounts.flows import people
from accounts.models import Invitation, User
from audit.kinds import Kind
from audit.log import Outcome, record, unit_of_work


@unit_of_work
def invite(person: User, *, actor: User) -> None:
    """Mail a link; earlier links of this person are void. Only for somebody who never had a password.

    Raises NotAllowed otherwise: setting somebody's password anew is a reset, with rules of its own.
    """
    if not people.manages(actor, person) or person.has_usable_password():
        raise NotAllowed
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    person.invitations.filter(used_at=None).update(used_at=now)
    row = Invitation.objects.create(
        person=person, digest=_digest(token), expires_at=now + timedelta(hours=settings.INVITATION_HOURS)
    )
    record(Kind.INVITATION_SENT, actor=actor, target=person, invitation=str(row.pk), until=row.expires_at)
    link = settings.SITE_URL + reverse("accounts_invitation", args=[token])
    # Not through the queue: its arguments are stored in clear, and this one signs somebody up.
    notices.when_committed(notices.mail, "invitation", person.email, person, link=link, until=row.expires_at)


def person_of(token: str) -> User:
    """Whose link this is, while it is good. Raises LinkInvalid."""
    row = _live(token)
    if not _is_acceptable(row.person):
        raise LinkInvalid
    return row.person


def accept(token: str, password: str) -> User:
    """Set the first password; the mailbox is thereby verified. Raises LinkInvalid (recorded) when used or old."""
    person = _accept(token, password)
    if person is None:
        raise LinkInvalid
    return person


@unit_of_work
def _accept(token: str, password: str) -> User | None:
    row = _live(token)
    person = people.lock(row.person)
    used = Invitation.objects.filter(pk=row.pk, used_at=None, expires_at__gt=timezone.now())
    if not _is_acceptable(person) or used.update(used_at=timezone.now()) != 1:
        record(
            Kind.INVITATION_REFUSED,
            target=row.person,
            outcome=Outcome.REFUSED,
            invitation=str(row.pk),
            reason=LinkInvalid.code,
        )
        return None
    people.set_password(person, password)
    person.emailaddress_set.filter(email=person.email).update(verified=True, primary=True)
    record(Kind.INVITATION_ACCEPTED, actor=person, target=person, invitation=str(row.pk))
    return person


def _is_acceptable(person: User) -> bool:
    """Whether a link may still set a first password: there is none yet, nor has somebody else proved the mailbox."""
    taken = EmailAddress.objects.filter(email=person.email, verified=True).exclude(user=person)
    return not person.has_usable_password() and not taken.exists()


def _live(token: str) -> Invitation:
    found = (
        Invitation.objects.select_related("person__tenant")
        .filter(digest=_digest(token), used_at=None, expires_at__gt=timezone.now(), person__is_active=True)
        .first()
    )
    if found is None:
        raise LinkInvalid
    return found


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
