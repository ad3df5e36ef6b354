"""Words for sessions, browsers and events on people's own pages: which device, from where, how it was proved."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import agents, assurance
from accounts.assurance import Strength
from accounts.flows.activity import Happening
from accounts.models import Browser, Session
from accounts.views.presentation import LABELS

STRENGTHS: dict[Strength, tuple[str, str | Promise]] = {
    Strength.NONE: ("bad", _("Nothing proved")),
    Strength.SINGLE_FACTOR: ("warn", _("One step")),
    Strength.MULTI_FACTOR: ("ok", _("Two steps")),
    Strength.PHISHING_RESISTANT: ("ok", _("Two steps, safe from phishing")),
}
_TRUSTED: tuple[str, str | Promise] = ("warn", _("One step, in a trusted browser"))


@dataclass(frozen=True, slots=True)
class SessionShown:
    """One session on the page; `tone` and `strength` say how strong it is, `proved` by what."""

    browser: str
    ip: str
    signed_in: datetime | None
    last_seen: datetime
    tone: str
    strength: str | Promise
    proved: str
    is_this: bool
    end_url: str


@dataclass(frozen=True, slots=True)
class BrowserShown:
    """One browser on the page; `trusted_until` is None where it is not trusted."""

    id: UUID
    browser: str
    ip: str
    first_seen: datetime
    last_seen: datetime
    trusted_until: datetime | None
    is_this: bool
    distrust_url: str


@dataclass(frozen=True, slots=True)
class HappeningShown:
    """One event on the page; `browser` and `ip` are empty where somebody else acted."""

    at: datetime
    sentence: str
    is_warning: bool
    browser: str
    ip: str


def happening_shown(one: Happening) -> HappeningShown:
    """One event, with the browser by the name people know."""
    browser = agents.spoken(one.agent) if one.agent else ""
    return HappeningShown(at=one.at, sentence=one.sentence, is_warning=one.is_warning, browser=browser, ip=one.ip)


def session_shown(session: Session, *, is_this: bool, in_trusted: bool) -> SessionShown:
    """One live session; a single factor in a trusted browser is called that, and nothing more."""
    strength = session.strength
    tone, words = _TRUSTED if in_trusted and strength is Strength.SINGLE_FACTOR else STRENGTHS[strength]
    methods = dict.fromkeys(
        str(LABELS.get(one.method, one.method.value)) for one in assurance.from_json(session.proofs)
    )
    return SessionShown(
        browser=agents.spoken(session.agent),
        ip=session.ip or "",
        signed_in=session.signed_in_at,
        last_seen=session.last_seen_at,
        tone=tone,
        strength=words,
        proved=" · ".join(methods),
        is_this=is_this,
        end_url=reverse("mfa_end_session", args=[session.public_id]),
    )


def browser_shown(browser: Browser, *, trusted_until: datetime | None, is_this: bool) -> BrowserShown:
    """One browser, and until when it is trusted, if it is."""
    return BrowserShown(
        id=browser.pk,
        browser=agents.spoken(browser.agent),
        ip=browser.ip or "",
        first_seen=browser.first_seen_at,
        last_seen=browser.last_seen_at,
        trusted_until=trusted_until,
        is_this=is_this,
        distrust_url=reverse("mfa_stop_trusting", args=[browser.pk]),
    )
