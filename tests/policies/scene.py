"""A day on which rules and facts meet: what the tests of the decision build their examples from.

Examples stand in tables of words, one line each, so that a rule and its exceptions are seen side by side::

    required grace | known totp key* | password totp@12h | step_up: second_factor_expired > totp

that is: the rules (level, methods if not the default, and words of `RULES`), the person (what they own, a star
for what is not usable, and words of `PERSON`), what the session proved (an hour ago unless said; a plus where a
key asked who is there), and the decision.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from accounts.assurance import Method, Proof, Strength
from policies.terms import (
    Decision,
    Enforcement,
    Enrolled,
    Exclude,
    Excluded,
    Facts,
    KeyRules,
    Rules,
    Scope,
    UserVerification,
)

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
TICK = timedelta(microseconds=1)
SHE = UUID(int=70)
PRODUCT, OTHER_PRODUCT = UUID(int=80), UUID(int=81)

TOTP = Enrolled(Method.TOTP, UUID(int=1), NOW - 90 * DAY)
KEY = Enrolled(Method.WEBAUTHN, UUID(int=2), NOW - 60 * DAY)
CODES = Enrolled(Method.RECOVERY_CODE, UUID(int=3), NOW - 90 * DAY)
SMS = Enrolled(Method.SMS_CODE, UUID(int=4), NOW - 80 * DAY)
MAIL = Enrolled(Method.EMAIL_CODE, UUID(int=5), NOW - 80 * DAY)
VERIFIED = replace(KEY, binding=UUID(int=6), user_verified=True)
SYNCED = replace(KEY, binding=UUID(int=7), synced=True)
ATTESTED = replace(KEY, binding=UUID(int=8), attested=True)
BRANDED = replace(KEY, binding=UUID(int=9), aaguid=PRODUCT)
OWNED = {
    "totp": TOTP,
    "key": KEY,
    "codes": CODES,
    "sms": SMS,
    "mail": MAIL,
    "verified-key": VERIFIED,
    "synced-key": SYNCED,
    "attested-key": ATTESTED,
    "branded-key": BRANDED,
}

PASSWORD = Proof(Method.PASSWORD, NOW - HOUR)
SSO = Proof(Method.SSO, NOW - HOUR)

FIRST = {
    "password": Method.PASSWORD,
    "sso": Method.SSO,
    "pass": Method.ACCESS_PASS,
    "link": Method.ENROLMENT_LINK,
}

IN_GRACE = {"grace_days": 14, "enforced_since": NOW - DAY}
KNOWN = {"known_since": NOW - 300 * DAY}
ADMINISTRATORS = Scope(everyone=False, roles=frozenset({"administrator"}))
STAFF = Scope(everyone=False, staff=True)
KEYS_FOR_USERS = {"user": Strength.PHISHING_RESISTANT}
KEYS_FOR_ADMINISTRATORS = {"administrator": Strength.PHISHING_RESISTANT}


def excluding(kind: Excluded, value: str, until: datetime = NOW + DAY) -> dict[str, object]:
    """Rules with one exclude, until tomorrow unless said."""
    return {"excludes": (Exclude(kind, value, until),)}


def keys(**asked: Any) -> dict[str, object]:
    """Rules that ask this of keys."""
    return {"keys": KeyRules(**asked)}


RULES: dict[str, dict[str, object]] = {
    "disabled": {"enabled": False},
    "for-administrators": {"scope": ADMINISTRATORS},
    "for-staff": {"scope": STAFF},
    "for-users": {"scope": Scope(everyone=False, roles=frozenset({"user"}))},
    "for-nobody": {"scope": Scope(everyone=False)},
    "for-finance": {"scope": Scope(everyone=False, groups=frozenset({"finance"}))},
    "for-sso": {"scope": Scope(everyone=False, sources=frozenset({"sso:acme"}))},
    "for-passwords": {"scope": Scope(everyone=False, sources=frozenset({"password"}))},
    "for-staff-and-finance": {"scope": Scope(everyone=False, staff=True, groups=frozenset({"finance"}))},
    "without-her": excluding(Excluded.PERSON, str(SHE)),
    "without-another": excluding(Excluded.PERSON, str(UUID(int=71))),
    "without-finance": excluding(Excluded.GROUP, "finance"),
    "without-users": excluding(Excluded.ROLE, "user"),
    "without-administrators": excluding(Excluded.ROLE, "administrator"),
    "without-sso": excluding(Excluded.SOURCE, "sso:acme"),
    "without-her-until-now": excluding(Excluded.PERSON, str(SHE), NOW),
    "without-her-until-soon": excluding(Excluded.PERSON, str(SHE), NOW + TICK),
    "two": {"minimum_factors": 2},
    "keys": {"strength": KEYS_FOR_USERS},
    "administrators-keys": {"strength": KEYS_FOR_ADMINISTRATORS},
    "grace": IN_GRACE,
    "grace-until-now": {"grace_days": 1, "enforced_since": NOW - DAY},
    "grace-until-soon": {"grace_days": 1, "enforced_since": NOW - DAY + TICK},
    "grace-of-no-days": {"enforced_since": NOW - DAY},
    "grace-from-never": {"grace_days": 14},
    "grace-for-new": {"new_grace_days": 7, "enforced_since": NOW - DAY},
    "grace-for-new-until-now": {"new_grace_days": 1, "enforced_since": NOW - 300 * DAY},
    "grace-for-administrators": {"administrators_grace_days": 3, "enforced_since": NOW - DAY},
    "trusting": {"trusted_browser_days": 30},
    "trusting-for-a-day": {"trusted_browser_days": 1},
    "but-no-administrators": {"trusted_browser_never": frozenset({"administrator"})},
    "but-no-users": {"trusted_browser_never": frozenset({"user"})},
    "asking-who": keys(user_verification=UserVerification.REQUIRED),
    "not-asking-who": keys(user_verification=UserVerification.DISCOURAGED),
    "vouched-for": keys(attested=True),
    "of-this-brand": keys(allowed=frozenset({PRODUCT})),
    "of-another-brand": keys(allowed=frozenset({OTHER_PRODUCT})),
    "not-of-this-brand": keys(denied=frozenset({PRODUCT})),
    "of-this-brand-and-not": keys(allowed=frozenset({PRODUCT}), denied=frozenset({PRODUCT})),
    "never-copied": keys(synced=False),
    "emergency": {"break_glass": frozenset({SHE})},
    "another-emergency": {"break_glass": frozenset({UUID(int=71)})},
    "for-ten-minutes": {"in_force_until": NOW + 10 * MINUTE},
    "lasting-an-hour": {"second_factor_lifetime": HOUR},
}
PERSON: dict[str, dict[str, object]] = {
    "off": {"is_active": False},
    "tenant-off": {"tenant_is_active": False},
    "administrator": {"role": "administrator"},
    "staff": {"is_staff": True},
    "known": KNOWN,
    "known-just-before": {"known_since": NOW - DAY - TICK},
    "known-from-then-on": {"known_since": NOW - DAY},
    "new": {"known_since": NOW - HOUR, "first_sign_in_at": NOW - HOUR},
    "new-since-yesterday": {"known_since": NOW - DAY, "first_sign_in_at": NOW - DAY},
    "new-and-never-in": {"known_since": NOW - HOUR},
    "reset": {"grace_closed_at": NOW - 200 * DAY},
    "capped": {"grace_cap": NOW + HOUR},
    "capped-long-after": {"grace_cap": NOW + 80 * DAY},
    "capped-out": {"grace_cap": NOW},
    "extended": {"extended_to": NOW + 30 * DAY},
    "extended-a-little": {"extended_to": NOW + HOUR},
    "extended-until-now": {"extended_to": NOW},
    "in-finance": {"groups": frozenset({"finance", "pilots"})},
    "by-sso": {"source": "sso:acme"},
    "trusted": {"trusted_since": NOW - HOUR},
    "trusted-just-within-a-day": {"trusted_since": NOW - DAY + TICK},
    "trusted-a-day-ago": {"trusted_since": NOW - DAY},
    "trusted-a-month-ago": {"trusted_since": NOW - 30 * DAY},
}


def examples(table: str) -> list[Any]:
    """The lines of a table beside this module as parameters; the last column is what an example shows.

    Lines that begin with # are headings.
    """
    lines = [line for line in (Path(__file__).parent / table).read_text().splitlines() if line and line[0] != "#"]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [pytest.param(*row, id=f"{shows} ({row[0]}; {row[1]})") for *row, shows in rows]


def rules(level: str = "required", *allowed: Method, **changes: object) -> Rules:
    """Version 7 of a policy at this level; `allowed` is the default list if none is given."""
    if allowed:
        changes["allowed"] = allowed
    return replace(Rules(version=7, enforcement=Enforcement(level)), **changes)


def facts(*enrolled: Enrolled, proofs: tuple[Proof, ...] = (PASSWORD,), **changes: object) -> Facts:
    """An active person of an active tenant who owns these and proved a password an hour ago."""
    known: dict[str, object] = {
        "person": SHE,
        "role": "user",
        "is_staff": False,
        "is_active": True,
        "tenant_is_active": True,
    }
    return Facts(**{**known, "enrolled": enrolled, "proofs": proofs, **changes})  # type: ignore[arg-type]


def by(authenticator: Enrolled, ago: timedelta = HOUR, *, verified: bool = False) -> Proof:
    """A proof by this authenticator, so long ago."""
    at = NOW - ago
    return Proof(authenticator.method, at, authenticator.binding, verified, authenticator.bound_at)


def locked(authenticator: Enrolled) -> Enrolled:
    """The same authenticator, locked or unreadable."""
    return replace(authenticator, usable=False)


def rules_in(words: str) -> Rules | None:
    """The rules that these words describe; a dash for none."""
    if words.strip() == "-":
        return None
    level, *rest = words.split()
    changes = {name: value for word in rest if word in RULES for name, value in RULES[word].items()}
    return rules(level, *(OWNED[word].method for word in rest if word not in RULES), **changes)


def facts_in(person: str, proved: str) -> Facts:
    """The person and session that these words describe."""
    words = person.split()
    changes = {name: value for word in words if word in PERSON for name, value in PERSON[word].items()}
    owned = (word for word in words if word not in PERSON)
    enrolled = [locked(OWNED[word[:-1]]) if word.endswith("*") else OWNED[word] for word in owned]
    return facts(*enrolled, proofs=tuple(_proof_in(word) for word in proved.split()), **changes)


def _proof_in(word: str) -> Proof:
    name, _, ago = word.partition("@")
    hours = float(ago.removesuffix("h") or 1) * HOUR
    if name in FIRST:
        return Proof(FIRST[name], NOW - hours)
    if name == "passkey":
        return by(KEY, hours, verified=True)
    return by(OWNED[name.removesuffix("+")], hours, verified=name.endswith("+"))


def in_words(decision: Decision) -> str:
    """The decision as the examples write it."""
    said = f"{decision.outcome}: {' '.join(decision.reasons)}"
    return f"{said} > {' '.join(decision.satisfied_by)}" if decision.satisfied_by else said
