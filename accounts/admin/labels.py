"""How the admin shows what it lists: pills, names of methods, links, and who did something."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.assurance import Strength
from accounts.authenticators.aaguids import product_name
from accounts.enrolment_state import OF_KIND
from accounts.models import Binding, Session, User

SHORT: dict[str, str | Promise] = {
    Binding.Kind.WEBAUTHN: _("Passkey or key"),
    Binding.Kind.TOTP: _("App"),
    Binding.Kind.RECOVERY_CODE: _("Recovery codes"),
}
STRENGTHS: dict[Strength, tuple[str, str | Promise]] = {
    Strength.NONE: ("bad", _("Nothing proved")),
    Strength.SINGLE_FACTOR: ("grace", _("Password only")),
    Strength.MULTI_FACTOR: ("ok", _("Two factors")),
    Strength.PHISHING_RESISTANT: ("ok", _("Two factors, phishing-resistant")),
}
STATES: dict[str, tuple[str, str | Promise]] = {
    "live": ("ok", _("In use")),
    "paused": ("grace", _("Paused")),
    "locked": ("bad", _("Locked")),
    "removed": ("", _("Removed")),
}
STATUSES: dict[str, tuple[str, str | Promise]] = {
    "active": ("ok", _("Active")),
    "pending": ("grace", _("Signing in")),
    "expired": ("", _("Expired")),
    "ended": ("", _("Ended")),
}


def pill(tone: str, words: str | Promise) -> SafeString:
    """A short state; `tone` is "ok", "grace", "bad" or "" (neutral), and never the only sign of it."""
    return format_html('<span class="pill{}">{}</span>', f" pill-{tone}" if tone else "", words)


def pills(words: Iterable[str | Promise]) -> SafeString:
    """Several neutral pills in a row."""
    return format_html_join(" ", '<span class="pill">{}</span>', ((word,) for word in words))


def kinds(person: User) -> SafeString:
    """Each kind of authenticator of this person once, keys first; a pill that says so where there is none."""
    if not person.factors:
        return pill("bad", _("None"))
    return pills(words for kind, words in SHORT.items() if person.factors & OF_KIND[Binding.Kind(kind)])


def state_of(binding: Binding) -> SafeString:
    """Whether an authenticator can be used."""
    return pill(*STATES[_state(binding, timezone.now())])


def status_of(session: Session) -> SafeString:
    return pill(*STATUSES[session.status])


def strength_of(session: Session) -> SafeString:
    """What a live session proved; an ended one proves nothing any more, and says nothing of what it did."""
    return pill("", "—") if session.ended_at else pill(*STRENGTHS[session.strength])


def product_of(binding: Binding) -> str:
    """What a security key or passkey is sold as, where that is known."""
    credential = getattr(binding, "credential", None)
    return product_name(credential.aaguid) if credential is not None else ""


def person_link(person: User) -> SafeString:
    """The address of a person, leading to their page."""
    url = reverse("admin:accounts_user_change", args=[person.pk])
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, person)


def doer(doer_id: uuid.UUID | None, owner: User, viewer: User) -> str | Promise:
    """Who bound or unbound something: the owner, a colleague whom the viewer may know, or just somebody."""
    if doer_id is None:
        return _("the site")
    if doer_id == owner.pk:
        return _("the person")
    known = User.objects.filter(pk=doer_id)
    if not viewer.is_superuser:
        known = known.filter(tenant_id=viewer.tenant_id)
    found = known.first()
    return str(found) if found else _("an administrator")


def _state(binding: Binding, now: datetime) -> str:
    if binding.unbound_at is not None:
        return "removed"
    if binding.locked_at is not None:
        return "locked"
    return "paused" if binding.paused_until is not None and binding.paused_until > now else "live"
