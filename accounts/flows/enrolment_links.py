"""The mailed link with which somebody enrols again after a reset, beside their password: once, within a day.

Each of the person's addresses gets one of its own, and using one ends the others. The notice that is owed holds the
row's id alone: the token is made as the mail goes out, anew for each attempt, and is kept as a digest, so that neither
a table nor an argument of a task ever shows it (security 87).
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts import notices
from accounts.assurance import Method, Proof
from accounts.errors import LinkInvalid
from accounts.flows import people, throttles
from accounts.models import EnrolmentLink, Notice, User
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

MAIL: Final = "enrolment_link"
LASTS: Final = timedelta(hours=24)
TOKEN_BYTES: Final = 32
SENT_AGAIN = throttles.Limit("enrolment-link", 3, timedelta(hours=1), timedelta(minutes=15))


@unit_of_work
def send(person: User) -> None:
    """Have a link mailed to every verified address of a person whose row is held; earlier ones are void.

    Without a verified address none goes out: an access pass is the way left.
    """
    now, addresses = timezone.now(), notices.addresses_of(person)
    EnrolmentLink.objects.filter(person=person, used_at=None).update(used_at=now)
    links = [EnrolmentLink(person=person, digest=_nobodys(), created_at=now, expires_at=now + LASTS) for _ in addresses]
    EnrolmentLink.objects.bulk_create(links)
    record(Kind.ENROLMENT_LINK_SENT, target=person, addresses=len(links), until=now + LASTS)
    notices.owe([_notice(link, address, now) for link, address in zip(links, addresses, strict=True)])


def _notice(link: EnrolmentLink, address: str, now: datetime) -> Notice:
    facts = {"at": now.isoformat(), "ip": "", "agent": "", "row": str(link.pk)}
    return Notice(person=link.person, address=address, name=MAIL, facts=facts)


def send_again(person: User) -> None:
    """Another link, at the person's own wish; nothing where enrolment is not guarded. Raises TooManyRequests."""
    if person.enrolment_guarded_at is not None:
        throttles.count_recorded((SENT_AGAIN, str(person.pk)), about=person)
        _send_again(person)


@unit_of_work
def _send_again(person: User) -> None:
    locked = people.lock(person)
    if locked.enrolment_guarded_at is not None:
        send(locked)


def fresh(notice: Notice) -> dict[str, Any] | None:
    """Make the token of a link that is about to be mailed; of an earlier attempt none is good any more."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = _live().filter(pk=UUID(notice.facts["row"]), person=notice.person, person__is_active=True).first()
    if row is None or not _live().filter(pk=row.pk).update(digest=_digest(token)):
        return None
    return {"link": settings.SITE_URL + reverse("accounts_enrolment_link", args=[token]), "until": row.expires_at}


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
    _live().filter(person=locked).update(used_at=now)  # what went to their other addresses
    proof = Proof(method=Method.ENROLMENT_LINK, at=now)
    session.prove(locked, proof)
    session_id = str(session.row.public_id)
    record(Kind.ENROLMENT_LINK_USED, actor=locked, target=locked, link=str(row.pk), session=session_id)
    return proof


def _nobodys() -> str:
    """The digest of a token that nobody has: until the mail is made."""
    return _digest(secrets.token_urlsafe(TOKEN_BYTES))


def _live() -> QuerySet[EnrolmentLink]:
    return EnrolmentLink.objects.filter(used_at=None, expires_at__gt=timezone.now())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
