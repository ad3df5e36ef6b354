"""Who may do sensitive things, and what may be taken away."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.assurance import ADMISSIONS, Method, Proof
from policies.sensitive import allows_removal, is_fresh, may_turn_off, refreshed_by
from policies.terms import Enrolled, Exclude, Excluded, Facts, KeyRules, UserVerification
from tests.policies.scene import (
    CODES,
    DAY,
    HOUR,
    IN_GRACE,
    KEY,
    KEYS_FOR_USERS,
    KNOWN,
    MAIL,
    MINUTE,
    NOW,
    PASSWORD,
    PRODUCT,
    SHE,
    SMS,
    STAFF,
    SYNCED,
    TICK,
    TOTP,
    VERIFIED,
    by,
    facts,
    locked,
    rules,
)

APP, CODE, WEBAUTHN = Method.TOTP, Method.RECOVERY_CODE, Method.WEBAUTHN
JUST = 4 * MINUTE
EMERGENCY: dict[str, Any] = {"break_glass": frozenset({SHE})}
TYPED = replace(PASSWORD, at=NOW - JUST)


def new(authenticator: Enrolled, ago: timedelta = JUST) -> Enrolled:
    """The same authenticator, enrolled just now."""
    return replace(authenticator, bound_at=NOW - ago)


def person(*enrolled: Enrolled, proving: Enrolled | None = None, ago: timedelta = JUST) -> Facts:
    """Somebody who typed a password an hour ago and proved this since."""
    return facts(*enrolled, proofs=(PASSWORD, by(proving, ago)) if proving else (PASSWORD,))


class TestFresh:
    """What was proved counts, and by what (security 51)."""

    pytestmark = pytest.mark.security(51)

    def test_a_fresh_password_enrols_the_first_factor(self) -> None:
        assert is_fresh(rules(), facts(proofs=(TYPED,)), NOW)

    def test_so_does_every_other_way_to_sign_in(self) -> None:
        assert is_fresh(rules(), facts(proofs=(replace(TYPED, method=Method.SSO),)), NOW)

    @pytest.mark.security(55)
    @pytest.mark.parametrize("method", sorted(ADMISSIONS))
    def test_a_link_or_a_pass_comes_beside_a_fresh_password_and_never_in_its_place(self, method: Method) -> None:
        admitted = replace(TYPED, method=method)
        assert not is_fresh(rules(), facts(proofs=(admitted,)), NOW)
        assert not is_fresh(rules(), facts(proofs=(PASSWORD, admitted)), NOW)
        assert is_fresh(rules(), facts(proofs=(TYPED, admitted)), NOW)

    @pytest.mark.parametrize("owned", [TOTP, KEY, CODES, SMS, locked(TOTP)])
    def test_a_fresh_password_is_nothing_where_a_factor_exists(self, owned: Enrolled) -> None:
        assert not is_fresh(rules(), facts(owned, proofs=(TYPED,)), NOW)

    def test_a_factor_that_is_gone_is_no_first_factor(self) -> None:
        assert not is_fresh(rules(), person(proving=TOTP), NOW)

    def test_nothing_proved_is_not_fresh(self) -> None:
        assert not is_fresh(rules(), facts(proofs=()), NOW)
        assert not is_fresh(rules(), facts(TOTP, proofs=()), NOW)

    @pytest.mark.parametrize(
        ("ago", "fresh"),
        [
            (0 * MINUTE, True),
            (5 * MINUTE - TICK, True),
            (5 * MINUTE, False),
            (HOUR, False),
            (-MINUTE, True),
            (-MINUTE - TICK, False),
        ],
        ids=str,
    )
    def test_freshness_lasts_five_minutes(self, ago: timedelta, fresh: bool) -> None:
        assert is_fresh(rules(), person(TOTP, proving=TOTP, ago=ago), NOW) is fresh
        assert is_fresh(rules(), facts(proofs=(replace(PASSWORD, at=NOW - ago),)), NOW) is fresh

    def test_or_as_long_as_the_policy_says(self) -> None:
        assert not is_fresh(rules(fresh_for=JUST), person(TOTP, proving=TOTP), NOW)
        assert is_fresh(rules(fresh_for=JUST + TICK), person(TOTP, proving=TOTP), NOW)

    def test_a_proof_of_another_method_under_its_id_does_not_count(self) -> None:
        forged = Proof(CODE, NOW, TOTP.binding)
        assert not is_fresh(rules(), facts(TOTP, proofs=(PASSWORD, forged)), NOW)

    @pytest.mark.parametrize(
        ("owned", "vouching"),
        [
            ((TOTP,), {APP}),
            ((KEY, TOTP, CODES), {WEBAUTHN}),
            ((TOTP, CODES), {APP, CODE}),
            ((TOTP, SMS, MAIL), {APP}),
            ((SMS, MAIL), {Method.SMS_CODE, Method.EMAIL_CODE}),
            ((CODES, SMS), {CODE}),
        ],
    )
    def test_the_best_that_is_owned_vouches(self, owned: tuple[Enrolled, ...], vouching: set[Method]) -> None:
        wide = rules("required", *Method)
        assert {one.method for one in owned if is_fresh(wide, person(*owned, proving=one), NOW)} == vouching
        assert set(refreshed_by(wide, person(*owned), NOW)) == vouching

    @pytest.mark.parametrize(
        ("allowed", "owned", "vouching"),
        [
            ((APP,), (KEY, TOTP, CODES), (APP,)),
            ((APP, CODE), (KEY, TOTP, CODES), (APP, CODE)),
            ((CODE, APP), (KEY, TOTP, CODES), (CODE, APP)),
            ((WEBAUTHN,), (TOTP, CODES, SMS), (CODE, APP)),
            ((WEBAUTHN,), (SMS, TOTP), (APP,)),
            ((), (KEY, TOTP), (WEBAUTHN,)),
        ],
    )
    def test_what_is_not_allowed_vouches_only_where_nothing_allowed_is(
        self, allowed: tuple[Method, ...], owned: tuple[Enrolled, ...], vouching: tuple[Method, ...]
    ) -> None:
        rule = replace(rules(), allowed=allowed)
        assert refreshed_by(rule, person(*owned), NOW) == vouching
        assert {one.method for one in owned if is_fresh(rule, person(*owned, proving=one), NOW)} == {*vouching}

    def test_a_touch_is_not_fresh_where_keys_have_to_ask_who_is_there(self) -> None:
        asking = rules(keys=KeyRules(user_verification=UserVerification.REQUIRED))
        touched, asked = by(VERIFIED, JUST), by(VERIFIED, JUST, verified=True)
        assert not is_fresh(asking, facts(VERIFIED, proofs=(PASSWORD, touched)), NOW)
        assert is_fresh(asking, facts(VERIFIED, proofs=(PASSWORD, asked)), NOW)
        assert is_fresh(rules(), facts(VERIFIED, proofs=(PASSWORD, touched)), NOW)
        assert refreshed_by(asking, person(VERIFIED), NOW) == (WEBAUTHN,)

    def test_nor_is_a_key_that_never_could_unless_there_is_nothing_else(self) -> None:
        asking = rules(keys=KeyRules(user_verification=UserVerification.REQUIRED))
        assert is_fresh(asking, person(KEY, proving=KEY), NOW)
        assert not is_fresh(asking, person(KEY, TOTP, proving=KEY), NOW)
        assert is_fresh(asking, person(KEY, TOTP, proving=TOTP), NOW)

    @pytest.mark.parametrize("asked", [{"attested": True}, {"synced": False}, {"denied": frozenset({PRODUCT})}])
    def test_a_refused_key_does_not_vouch_beside_an_app(self, asked: dict[str, Any]) -> None:
        refused = replace(KEY, synced=True, aaguid=PRODUCT)
        rule = rules(keys=KeyRules(**asked))
        assert refreshed_by(rule, person(refused, TOTP), NOW) == (APP,)
        assert not is_fresh(rule, person(refused, TOTP, proving=refused), NOW)

    def test_for_emergencies_the_key_vouches_and_nothing_else(self) -> None:
        strict = rules("optional", APP, enabled=False, keys=KeyRules(attested=True), **EMERGENCY)
        assert refreshed_by(strict, person(KEY, TOTP, CODES), NOW) == (WEBAUTHN,)
        assert is_fresh(strict, person(KEY, TOTP, proving=KEY), NOW)
        assert not is_fresh(strict, person(KEY, TOTP, proving=TOTP), NOW)
        assert not is_fresh(strict, person(locked(KEY), TOTP, proving=TOTP), NOW)

    def test_a_locked_factor_is_not_offered_and_lowers_nothing(self) -> None:
        assert refreshed_by(rules(), person(locked(KEY), TOTP), NOW) == ()
        assert refreshed_by(rules(), person(TOTP, locked(CODES)), NOW) == (APP,)
        assert not is_fresh(rules(), person(locked(KEY), TOTP, proving=TOTP), NOW)

    def test_nothing_enrolled_offers_nothing(self) -> None:
        assert refreshed_by(rules(), person(), NOW) == ()


class TestSettled:
    """A factor enrolled a minute ago never counts where an older factor exists (security 51)."""

    pytestmark = pytest.mark.security(51)

    def test_a_key_enrolled_in_this_session_does_not_vouch(self) -> None:
        thief = person(TOTP, new(KEY), proving=new(KEY), ago=0 * MINUTE)
        assert not is_fresh(rules(), thief, NOW)
        assert refreshed_by(rules(), thief, NOW) == (APP,)

    def test_the_older_factor_still_does(self) -> None:
        assert is_fresh(rules(), person(TOTP, new(KEY), proving=TOTP), NOW)

    def test_not_even_long_after_in_the_same_session(self) -> None:
        added = new(KEY, 59 * MINUTE)
        assert not is_fresh(rules(), person(TOTP, added, proving=added), NOW)

    def test_nor_in_a_session_begun_right_after(self) -> None:
        added = new(KEY, 2 * MINUTE)
        session = facts(TOTP, added, proofs=(by(added, MINUTE, verified=True),))
        assert not is_fresh(rules(), session, NOW)

    @pytest.mark.parametrize(("ago", "fresh"), [(HOUR, True), (HOUR - TICK, False)], ids=["before", "after"])
    def test_what_was_bound_before_the_session_began_vouches(self, ago: timedelta, fresh: bool) -> None:
        added = new(KEY, ago)
        assert is_fresh(rules(), person(TOTP, added, proving=added), NOW) is fresh

    @pytest.mark.parametrize(("ago", "fresh"), [(5 * MINUTE, True), (5 * MINUTE - TICK, False)], ids=["long", "short"])
    def test_what_was_bound_longer_ago_than_freshness_lasts_vouches(self, ago: timedelta, fresh: bool) -> None:
        added = new(KEY, ago)
        session = facts(TOTP, added, proofs=(by(added, 0 * MINUTE, verified=True),))
        assert is_fresh(rules(), session, NOW) is fresh

    @pytest.mark.parametrize(
        ("signed_in_at", "fresh"), [(NOW - 3 * HOUR, False), (NOW - HOUR, True), (NOW, True), (None, True)], ids=str
    )
    def test_a_password_typed_again_does_not_begin_the_session_anew(
        self, signed_in_at: datetime | None, fresh: bool
    ) -> None:
        added = new(KEY, 2 * HOUR)
        session = replace(person(TOTP, added, proving=added), signed_in_at=signed_in_at)
        assert is_fresh(rules(), session, NOW) is fresh

    def test_the_first_factor_vouches_at_once(self) -> None:
        first, codes = new(TOTP), new(CODES, 3 * MINUTE)
        assert is_fresh(rules(), person(first, codes, proving=first), NOW)
        assert refreshed_by(rules(), person(first, codes), NOW) == (APP,)

    def test_of_several_first_factors_the_oldest_does(self) -> None:
        first, second = new(TOTP, 40 * MINUTE), new(KEY, 30 * MINUTE)
        assert is_fresh(rules(), person(first, second, proving=first), NOW)
        assert not is_fresh(rules(), person(first, second, proving=second), NOW)

    def test_without_any_proof_it_is_known_what_would_refresh(self) -> None:
        assert refreshed_by(rules(), facts(TOTP, KEY, proofs=()), NOW) == (WEBAUTHN,)


@given(
    st.lists(st.sampled_from([TOTP, KEY, CODES, SMS]), unique=True, min_size=1),
    st.lists(st.sampled_from(list(Method)), unique=True),
)
def test_somebody_with_working_factors_can_always_become_fresh(owned: list[Enrolled], allowed: list[Method]) -> None:
    rule = replace(rules(), allowed=tuple(allowed))
    ways = refreshed_by(rule, person(*owned), NOW)
    assert ways
    for one in owned:
        assert is_fresh(rule, person(*owned, proving=one), NOW) is (one.method in ways)


class TestTakingAway:
    """The last acceptable factor stays while one is demanded; everything else is the owner's to remove."""

    @pytest.mark.parametrize("words", [{}, IN_GRACE], ids=["required", "in grace"])
    def test_the_last_acceptable_factor_stays(self, words: dict[str, object]) -> None:
        person = facts(TOTP, CODES, **KNOWN)
        assert not allows_removal(rules(**words), person, TOTP.binding, NOW)
        assert not allows_removal(rules("always", **words), person, TOTP.binding, NOW)

    def test_one_of_two_may_go(self) -> None:
        assert allows_removal(rules(), facts(TOTP, KEY), TOTP.binding, NOW)
        assert allows_removal(rules(), facts(TOTP, KEY), KEY.binding, NOW)

    def test_codes_may_always_go(self) -> None:
        assert allows_removal(rules(), facts(TOTP, CODES), CODES.binding, NOW)
        assert allows_removal(rules(), facts(CODES), CODES.binding, NOW)

    def test_codes_hold_no_place_for_a_factor(self) -> None:
        assert not allows_removal(rules(), facts(KEY, CODES), KEY.binding, NOW)

    def test_a_locked_factor_holds_no_place_either(self) -> None:
        assert not allows_removal(rules(), facts(KEY, locked(TOTP)), KEY.binding, NOW)
        assert allows_removal(rules(), facts(KEY, locked(TOTP)), TOTP.binding, NOW)

    def test_a_forbidden_factor_holds_no_place_and_may_go(self) -> None:
        assert not allows_removal(rules("required", WEBAUTHN), facts(KEY, TOTP), KEY.binding, NOW)
        assert allows_removal(rules("required", WEBAUTHN), facts(KEY, TOTP), TOTP.binding, NOW)

    def test_a_factor_that_is_too_weak_holds_no_place(self) -> None:
        demanding = rules(strength=KEYS_FOR_USERS)
        assert not allows_removal(demanding, facts(KEY, TOTP), KEY.binding, NOW)
        assert allows_removal(demanding, facts(KEY, TOTP), TOTP.binding, NOW)

    def test_the_last_of_any_kind_stays_lest_a_password_is_left(self) -> None:
        demanding = rules("required", WEBAUTHN, **IN_GRACE)
        assert not allows_removal(demanding, facts(TOTP, CODES, **KNOWN), TOTP.binding, NOW)
        assert allows_removal(demanding, facts(TOTP, SMS, **KNOWN), TOTP.binding, NOW)

    def test_of_two_that_are_demanded_both_stay(self) -> None:
        two = rules(minimum_factors=2)
        assert not allows_removal(two, facts(TOTP, KEY), TOTP.binding, NOW)
        assert not allows_removal(two, facts(TOTP, KEY, CODES), KEY.binding, NOW)
        assert not allows_removal(two, facts(TOTP, **KNOWN), TOTP.binding, NOW)
        assert allows_removal(two, facts(TOTP, KEY, VERIFIED), TOTP.binding, NOW)
        assert allows_removal(two, facts(TOTP, KEY, CODES), CODES.binding, NOW)

    def test_a_refused_key_holds_no_place_and_may_go(self) -> None:
        never_copied = rules(keys=KeyRules(synced=False))
        assert not allows_removal(never_copied, facts(KEY, SYNCED), KEY.binding, NOW)
        assert allows_removal(never_copied, facts(KEY, SYNCED), SYNCED.binding, NOW)
        assert not allows_removal(never_copied, facts(SYNCED, CODES), SYNCED.binding, NOW)

    def test_the_key_for_emergencies_stays_when_the_policy_is_off(self) -> None:
        off = rules("optional", APP, enabled=False, minimum_factors=2, **EMERGENCY)
        assert not allows_removal(off, facts(KEY, TOTP), KEY.binding, NOW)
        assert allows_removal(off, facts(KEY, TOTP), TOTP.binding, NOW)
        assert allows_removal(off, facts(KEY, VERIFIED), KEY.binding, NOW)
        assert not may_turn_off(off, facts(KEY), NOW)

    def test_who_is_excluded_may_take_away_all_until_then(self) -> None:
        excluded = rules(excludes=(Exclude(Excluded.PERSON, str(SHE), NOW + DAY),))
        assert allows_removal(excluded, facts(TOTP), TOTP.binding, NOW)
        assert may_turn_off(excluded, facts(TOTP), NOW)
        assert not allows_removal(excluded, facts(TOTP), TOTP.binding, NOW + DAY)
        assert not may_turn_off(excluded, facts(TOTP), NOW + DAY)
        assert not may_turn_off(excluded, facts(TOTP, is_staff=True), NOW)

    @pytest.mark.parametrize("rule", [rules("optional"), rules(enabled=False), rules(scope=STAFF)])
    def test_where_nothing_is_demanded_everything_may_go(self, rule: object) -> None:
        assert allows_removal(rule, facts(TOTP), TOTP.binding, NOW)  # type: ignore[arg-type]
        assert may_turn_off(rule, facts(TOTP), NOW)  # type: ignore[arg-type]

    @pytest.mark.parametrize("level", ["required", "always"])
    def test_where_something_is_demanded_it_cannot_be_turned_off(self, level: str) -> None:
        assert not may_turn_off(rules(level), facts(TOTP), NOW)
        assert not may_turn_off(rules(level, **IN_GRACE), facts(TOTP, **KNOWN), NOW)
        assert not may_turn_off(rules(level, scope=STAFF), facts(TOTP, is_staff=True), NOW)

    @pytest.mark.parametrize("level", ["optional", "required"])
    def test_what_is_not_theirs_may_not_be_removed(self, level: str) -> None:
        assert allows_removal(rules(level), facts(TOTP, KEY), UUID(int=99), NOW) is False
        assert allows_removal(rules(level), facts(), TOTP.binding, NOW) is False


def test_the_module_needs_neither_django_nor_a_database() -> None:
    look = "import sys, policies.sensitive; print([m for m in ('django', 'sqlite3') if m in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_settling_takes_no_longer_than_a_day_of_work() -> None:
    """Yesterday's key vouches in today's session."""
    added = new(KEY, DAY)
    assert is_fresh(rules(), person(TOTP, added, proving=added), NOW)
