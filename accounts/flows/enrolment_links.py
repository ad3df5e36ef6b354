"""The mailed link with which somebody enrols again after a reset, beside their password: once, within a day.

The queue holds the row's id alone. Its token is made by whoever mails it and is kept as a digest, so that neither
a table nor an argument of a task ever shows it (security 87).
"""

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django_tasks import task

from accounts import notices
from accounts.assurance import Method, Proof
from accounts.errors import LinkInvalid
from accounts.flows import people, throttles
from accounts.models import EnrolmentLink, User
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

LASTS: Final = timedelta(hours=24)
TOKEN_BYTES: Final = 32
SENT_AGAIN = throttles.Limit("enrolment-link", 3, timedelta(hours=1), timedelta(minutes=15))


@unit_of_work
def send(person: User) -> None:
    """Have a link mailed to every verified address of a person whose row is held; earlier ones are void.

    Without a verified address none goes out: an access pass is the way left.
    """
    now = timezone.now()
    EnrolmentLink.objects.filter(person=person, used_at=None).update(used_at=now)
    nobodys = _digest(secrets.token_urlsafe(TOKEN_BYTES))  # until the mail is made
    row = EnrolmentLink.objects.create(person=person, digest=nobodys, created_at=now, expires_at=now + LASTS)
    record(Kind.ENROLMENT_LINK_SENT, target=person, link=str(row.pk), until=row.expires_at)
    notices.when_committed(deliver.enqueue, str(row.pk))


def send_again(person: User) -> None:
    """Another link, at the person's own wish; nothing where enrolment is not guarded. Raises TooManyRequests."""
    if person.enrolment_guarded_at is not None:
        throttles.count((SENT_AGAIN, str(person.pk)))
        _send_again(person)


@unit_of_work
def _send_again(person: User) -> None:
    locked = people.lock(person)
    if locked.enrolment_guarded_at is not None:
        send(locked)


@task()
def deliver(link_id: str) -> int:
    """Make the token and mail it; returns to how many addresses. Done twice, only the newer mail is good."""
    row = _live().select_related("person__tenant").filter(pk=UUID(link_id), person__is_active=True).first()
    if row is None:
        return 0
    token = secrets.token_urlsafe(TOKEN_BYTES)
    if not _live().filter(pk=row.pk).update(digest=_digest(token)):
        return 0
    link = settings.SITE_URL + reverse("accounts_enrolment_link", args=[token])
    addresses = row.person.emailaddress_set.filter(verified=True).values_list("email", flat=True)
    for address in addresses:
        notices.mail("enrolment_link", address, row.person, link=link, until=row.expires_at)
    return len(addresses)


def is_good(person: User, token: str) -> bool:
    """Whether this link would let this person enrol."""
    return _live().filter(digest=_digest(token), person=person).exists()


def use(person: User, session: "SessionStore", token: str) -> Proof:
    """Prove the mailbox in this session. Raises LinkInvalid (recorded): used, replaced, run out, somebody else's."""
    proof = _use(person, session, token)
    if proof is None:
        raise LinkInvalid
    return proof


@unit_of_work
def _use(person: User, session: "SessionStore", token: str) -> Proof | None:
    locked, now = people.lock(person), timezone.now()
    mine = _live().filter(digest=_digest(token), person=locked)
    row = mine.first()
    if row is None or mine.update(used_at=now) != 1:
        record(Kind.ENROLMENT_LINK_REFUSED, actor=locked, target=locked, reason=LinkInvalid.code)
        return None
    proof = Proof(method=Method.ENROLMENT_LINK, at=now)
    session.prove(locked, proof)
    session_id = str(session.row.public_id)
    record(Kind.ENROLMENT_LINK_USED, actor=locked, target=locked, link=str(row.pk), session=session_id)
    return proof


def _live() -> QuerySet[EnrolmentLink]:
    return EnrolmentLink.objects.filter(used_at=None, expires_at__gt=timezone.now())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
