"""The browsers people sign in with: known by a cookie, told of when new, and perhaps trusted for a time.

A browser is named by a random token, of which the table holds a digest (docs/adr/0015). Only tokens that were made here
are taken up, and whoever trusts a browser gets a new one: a cookie that somebody planted never becomes a trusted one.
Trust proves nothing. It is one fact that the policy may count (`policies.engine`), and no session is stronger by it.
"""

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import notices
from accounts.assurance import SECOND_FACTORS, Method
from accounts.errors import AccountsError
from accounts.flows import people
from accounts.models import Browser, User
from accounts.policy import policy
from accounts.rows import Change
from audit import context
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

TOKEN_BYTES: Final = 32
SHOWN: Final = 50
JUST_NOW: Final = timedelta(minutes=5)
BY_OWNER: Final = "ended_by_owner"
CHANGED: Final = "security_changed"


class CannotTrust(AccountsError):
    """The policy would not honour it, or the session did not just prove a second factor that lasts."""

    code = "cannot_trust"
    message = _("You are signed in, but this browser cannot be trusted: the second step will be asked for again.")


def digest_of(token: str) -> str:
    """What the table holds: whoever reads it cannot make the cookie (256 random bits need no slow hash)."""
    return hashlib.sha256(token.encode()).hexdigest()


def recall(person: User, session: "SessionStore", token: str) -> None:
    """Note on a sign-in that is under way which of this person's browsers it is in; none where it is not known."""
    found = Browser.objects.filter(person=person, digest=digest_of(token)) if token else Browser.objects.none()
    session.change(browser=found.values_list("pk", flat=True).first())


def remember(person: User, session: "SessionStore", token: str, *, is_first: bool) -> str:
    """Somebody signs in: note in which browser, and tell them of one they never used; returns the browser's token.

    A token that nobody here was given is not taken up. Within the caller's unit of work, which holds the person's
    row. The first sign-in of all (`is_first`) is no news.
    """
    here = context.current()
    seen = {"agent": here.user_agent, "ip": here.ip or None, "last_seen_at": timezone.now()}
    browser = _seen_again(person, token, seen) if token else None
    if browser is None:
        token = token if token and Browser.objects.filter(digest=digest_of(token)).exists() else _new_token()
        browser = Browser.objects.create(person=person, digest=digest_of(token), **seen)
        if not is_first:
            _tell(person, browser, session)
    else:
        _end_what_is_void(person, browser)
    session.change(browser=browser.pk)
    return token


def _seen_again(person: User, token: str, seen: dict[str, Any]) -> Browser | None:
    """The person's browser of this token, noted as just used; None where they have no such browser."""
    found = _SEEN.first(seen["agent"], seen["ip"], seen["last_seen_at"], person.pk, digest_of(token))
    return None if found is None else found[0]


_SEEN = Change(
    "accounts_browser SET agent = %s, ip = %s, last_seen_at = %s WHERE person_id = %s AND digest = %s",
    accounts_browser=Browser,
)


def _end_what_is_void(person: User, browser: Browser) -> None:
    """Trust that something ended since is taken off the browser, and its end recorded."""
    if browser.trusted_at is not None and not is_trusted(browser, person):
        Browser.objects.filter(pk=browser.pk).update(trusted_at=None)
        _ended(person, browser.pk, CHANGED, actor=person)


def _tell(person: User, browser: Browser, session: "SessionStore") -> None:
    in_session = str(session.row.public_id)
    record(Kind.BROWSER_FIRST_SEEN, actor=person, target=person, browser=str(browser.pk), session=in_session)
    notices.send("new_browser", person)


def trusted_since(person: User, browser_id: uuid.UUID | None) -> datetime | None:
    """Since when this person trusts this browser, nothing having changed since; one query. The policy has the days."""
    if browser_id is None:
        return None
    browser = Browser.objects.filter(pk=browser_id, person=person).exclude(trusted_at=None).first()
    return browser.trusted_at if browser is not None and is_trusted(browser, person) else None


def is_trusted(browser: Browser, person: User) -> bool:
    """Whether the trust in this browser still stands on what it was given on (security 67, 69)."""
    return (
        browser.trusted_at is not None
        and browser.trusted_security_version == person.security_version
        and browser.trusted_policy_version == person.tenant.policy_version
        and secrets.compare_digest(browser.trusted_footing, _footing_of(person))
    )


@unit_of_work
def trust(person: User, session: "SessionStore") -> str:
    """Trust the browser of this session, under a new token, which is returned. Raises CannotTrust.

    Only where the policy would honour it for this person, and straight after a second factor that the policy accepts:
    a recovery code is for one day. A change of the person's security since this request began wins.
    """
    locked = people.lock(person)
    if locked.security_version != person.security_version or not _just_proved(locked, session):
        raise CannotTrust
    days = policy().trusted_browser_days(locked)
    browser = _browser_of(session, locked)
    if not days or browser is None or not policy().is_let_in_by_proof(locked, session):
        raise CannotTrust
    token, now = _new_token(), timezone.now()
    Browser.objects.filter(digest=browser.digest).update(digest=digest_of(token))
    Browser.objects.filter(pk=browser.pk).update(
        trusted_at=now,
        trusted_security_version=locked.security_version,
        trusted_policy_version=locked.tenant.policy_version,
        trusted_footing=_footing_of(locked),
    )
    record(
        Kind.BROWSER_TRUSTED,
        actor=locked,
        target=locked,
        browser=str(browser.pk),
        session=str(session.row.public_id),
        until=now + timedelta(days=days),
        policy_version=locked.tenant.policy_version,
    )
    return token


@unit_of_work
def stop_trusting(person: User, browser_ids: list[uuid.UUID]) -> int:
    """The owner ends the trust in these browsers of theirs; returns in how many.

    Every session is judged anew, and what is trusted beside them stays so: the version that all of it hangs on moves on
    together with the rows that held it.
    """
    locked = people.lock(person)
    trusted = Browser.objects.filter(person=locked).exclude(trusted_at=None)
    ended = list(trusted.filter(pk__in=browser_ids).values_list("pk", flat=True))
    if not ended:
        return 0
    trusted.filter(pk__in=ended).update(trusted_at=None)
    before = locked.security_version
    people.raise_security_version(locked)
    trusted.filter(trusted_security_version=before).update(trusted_security_version=locked.security_version)
    for browser_id in ended:
        _ended(locked, browser_id, BY_OWNER, actor=locked)
    return len(ended)


def end_all_trust(person: User, *, actor: User | None, reason: str) -> None:
    """End the trust in every browser of a person, whose row is held, one event each."""
    trusted = Browser.objects.filter(person=person).exclude(trusted_at=None)
    ended = list(trusted.values_list("pk", flat=True))
    if ended:
        trusted.filter(pk__in=ended).update(trusted_at=None)
    for browser_id in ended:
        _ended(person, browser_id, reason, actor=actor)


def known(person: User) -> list[Browser]:
    """The person's browsers, trusted ones first, then the one they signed in with last; the first `SHOWN`."""
    return list(
        Browser.objects.filter(person=person).order_by(F("trusted_at").desc(nulls_last=True), "-last_seen_at")[:SHOWN]
    )


def trusted_until(person: User) -> dict[uuid.UUID, datetime]:
    """Until when each browser that this person trusts stays trusted, if nothing changes before, by its id."""
    days, now = timedelta(days=policy().trusted_browser_days(person)), timezone.now()
    trusted = Browser.objects.filter(person=person, trusted_at__gt=now - days) if days else Browser.objects.none()
    return {one.pk: one.trusted_at + days for one in trusted if one.trusted_at and is_trusted(one, person)}


def forgotten(now: datetime) -> QuerySet[Browser]:
    """Browsers whose cookie is gone: nobody signed in with them for as long as one is kept."""
    return Browser.objects.filter(last_seen_at__lt=now - timedelta(seconds=settings.BROWSER_COOKIE_AGE))


def _browser_of(session: "SessionStore", person: User) -> Browser | None:
    named = session.row.browser
    return None if named is None else Browser.objects.filter(pk=named, person=person).first()


def _just_proved(person: User, session: "SessionStore") -> bool:
    lasting = SECOND_FACTORS - {Method.RECOVERY_CODE}
    since = timezone.now() - JUST_NOW
    return any(proof.method in lasting and proof.at >= since for proof in session.proofs_of(person))


def _footing_of(person: User) -> str:
    """What trust rests on beside the versions: tenant, role and password, however they were changed."""
    parts = (person.pk, person.tenant_id, person.role, person.is_superuser, person.password)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _ended(person: User, browser_id: uuid.UUID, reason: str, *, actor: User | None) -> None:
    record(Kind.BROWSER_TRUST_ENDED, actor=actor, target=person, browser=str(browser_id), reason=reason)


def _new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)
