"""What a person's next sign-in would come to under some rules: the engine itself, asked as the site would ask it. Pure.

The same `decide` that stops people answers here, first with nothing but a right password (or the provider's word),
then with what its own answer asks for: so what is tried is what happens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid5

from accounts.assurance import Method, Proof
from policies.demands import is_accepted, personal
from policies.engine import decide
from policies.terms import ADMINISTRATOR, LOCAL, Decision, Enrolled, Facts, Outcome, Reason, Rules

_NAMES: Final = UUID("6f0a3c0e-6f52-4a52-9d0e-2f1f3a5b7c11")  # under it the authenticators of policy tests have ids
_LONG_AGO: Final = timedelta(days=365)
_BORROWED: Final = {Reason.EXCLUDED, Reason.BREAK_GLASS, Reason.TRUSTED_BROWSER}


class Ending(StrEnum):
    """How a sign-in ends, in the words of the pages that count them."""

    PASSES = "passes"  # let in, and asked for nothing more
    ASKED = "asked"  # let in after a second factor
    IN_GRACE = "in_grace"
    MUST_ENROL = "must_enrol"
    DENIED = "denied"  # or stuck: nothing they own will do, and only help is left

    @property
    def is_stopped(self) -> bool:
        return self in (Ending.MUST_ENROL, Ending.DENIED)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The last decision of a sign-in, and whether a second factor was asked for on the way."""

    decision: Decision
    asked: bool

    @property
    def ending(self) -> Ending:
        return ending_of(self.decision, asked=self.asked)

    @property
    def gets_in_for_good(self) -> bool:
        return is_for_good(self.decision)


def is_for_good(decision: Decision) -> bool:
    """Whether this is an *allow* that no grace, exclude, trust or emergency stands behind."""
    return decision.outcome is Outcome.ALLOW and not _BORROWED & set(decision.reasons)


def ending_of(decision: Decision, *, asked: bool) -> Ending:
    """What a decision means to whoever it is about; `asked`: a second factor was, before it."""
    if decision.outcome is Outcome.ALLOW:
        return Ending.ASKED if asked else Ending.PASSES
    if decision.outcome is Outcome.ALLOW_IN_GRACE:
        return Ending.IN_GRACE
    return Ending.MUST_ENROL if decision.outcome is Outcome.ENROL else Ending.DENIED


def sign_in(rules: Rules | None, facts: Facts, now: datetime) -> Forecast:
    """A sign-in at `now` by somebody who knows the password and has at hand all that they own."""
    first = Proof(Method.PASSWORD if facts.source == LOCAL else Method.SSO, now)
    facts = replace(
        facts, proofs=(first,), signed_in_at=now, first_sign_in_at=facts.first_sign_in_at or now, trusted_since=None
    )
    decision = decide(rules, facts, now)
    if decision.outcome is not Outcome.STEP_UP or not decision.satisfied_by:
        return Forecast(decision, asked=False)
    return Forecast(_answered(rules, decision, now), asked=True)


def _answered(rules: Rules | None, asked: Decision, now: datetime) -> Decision:
    """After the step-up is answered by the preferred method, with the first authenticator of it that will do.

    Of several keys the page asks for those that the policy accepts, so they come first.
    """
    facts, preferred = asked.facts, asked.satisfied_by[0]
    ready = [one for one in facts.enrolled if one.usable and one.method is preferred]
    if rules is not None:
        stated = personal(rules, facts)
        ready.sort(key=lambda one: not is_accepted(stated, one))
    after = (decide(rules, replace(facts, proofs=(*facts.proofs, proof_by(one, now))), now) for one in ready)
    return next(one for one in after if one.outcome is not Outcome.STEP_UP)


def proof_by(one: Enrolled, now: datetime) -> Proof:
    """A proof by this authenticator; a key asks who is there if it can."""
    return Proof(one.method, now, one.binding, user_verified=one.user_verified, bound_at=one.bound_at)


def failing(tests: list[Mapping[str, Any]], rules: Rules, now: datetime) -> list[tuple[Mapping[str, Any], Ending]]:
    """The policy's tests that do not hold under these rules, each with how it really ends."""
    return list(_failing(tests, rules, now))


def _failing(tests: list[Mapping[str, Any]], rules: Rules, now: datetime) -> Iterator[tuple[Mapping[str, Any], Ending]]:
    for test in tests:
        ending = sign_in(rules, _facts_of(test, rules, now), now).ending
        expected = (Ending.PASSES, Ending.ASKED) if test["expect"] == "allowed" else (Ending(test["expect"]),)
        if ending not in expected:
            yield test, ending


def _facts_of(test: Mapping[str, Any], rules: Rules, now: datetime) -> Facts:
    """The person a test describes: all that it does not say is as it is for most."""
    since = rules.enforced_since or now
    was_here = test["known"] == "before"
    return Facts(
        role=test["role"],
        is_staff=test["role"] == ADMINISTRATOR,
        is_active=True,
        tenant_is_active=True,
        groups=frozenset(test["groups"]),
        source=test["source"],
        known_since=since - timedelta(days=1) if was_here else max(since, now),
        first_sign_in_at=since - timedelta(days=1) if was_here else now,
        enrolled=tuple(_enrolled(Method(method), rules, now) for method in test["methods"]),
    )


def _enrolled(method: Method, rules: Rules, now: datetime) -> Enrolled:
    """An authenticator in good order: a key of a product that is allowed, which asks who is there."""
    is_key = method is Method.WEBAUTHN
    return Enrolled(
        method,
        uuid5(_NAMES, method),
        now - _LONG_AGO,
        user_verified=is_key,
        aaguid=min(rules.keys.allowed, default=_NAMES) if is_key else None,
        attested=is_key,
    )
