"""What proofs amount to: strength, AAL, amr, and their journey through a session's JSON column."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.assurance import (
    ADMISSIONS,
    SECOND_FACTORS,
    Method,
    Proof,
    Strength,
    aal_of,
    amr_of,
    from_json,
    strength_of,
    strength_with,
    to_json,
)

AT = datetime(2030, 5, 1, 12, tzinfo=UTC)
BOUND = UUID("7d7f3c1e-58a5-4a2f-9d8e-000000000001")

NONE, SINGLE, MULTI, RESISTANT = Strength


def proof(method: str, *, verified: bool = False) -> Proof:
    return Proof(Method(method), AT, BOUND, user_verified=verified)


PASSWORD, SSO, PASS = proof("password"), proof("sso"), proof("access_pass")
TOTP, CODE, MAIL, SMS = proof("totp"), proof("recovery_code"), proof("email_code"), proof("sms_code")
TOUCH, PASSKEY = proof("webauthn"), proof("webauthn", verified=True)


@pytest.mark.parametrize(
    ("proofs", "strength"),
    [
        pytest.param([], NONE, id="nothing"),
        pytest.param([PASSWORD], SINGLE, id="a password"),
        pytest.param([SSO], SINGLE, id="SSO alone"),
        pytest.param([PASS], SINGLE, id="an access pass"),
        pytest.param([TOTP], SINGLE, id="a code alone"),
        pytest.param([CODE], SINGLE, id="a recovery code alone"),
        pytest.param([TOUCH], SINGLE, id="a touch-only key alone"),
        pytest.param([PASSWORD, PASSWORD], SINGLE, id="the same password twice"),
        pytest.param([PASSWORD, SSO], SINGLE, id="password and SSO say the same: who"),
        pytest.param([PASSWORD, PASS], SINGLE, id="an access pass stands in for a password"),
        pytest.param([TOTP, TOTP], SINGLE, id="two codes"),
        pytest.param([TOTP, CODE], SINGLE, id="two possessions"),
        pytest.param([TOTP, TOUCH], SINGLE, id="an app and a touch-only key, but who?"),
        pytest.param([MAIL, SMS], SINGLE, id="two mailed codes"),
        pytest.param([PASSWORD, TOTP], MULTI, id="password and TOTP"),
        pytest.param([TOTP, PASSWORD], MULTI, id="in either order"),
        pytest.param([PASSWORD, CODE], MULTI, id="password and recovery code"),
        pytest.param([PASSWORD, MAIL], MULTI, id="password and e-mail code"),
        pytest.param([PASSWORD, SMS], MULTI, id="password and SMS code"),
        pytest.param([PASSWORD, MAIL, SMS, TOTP, CODE], MULTI, id="all that can be phished is still phished"),
        pytest.param([SSO, TOTP], MULTI, id="SSO and TOTP"),
        pytest.param([PASS, TOTP], MULTI, id="access pass and TOTP"),
        pytest.param([PASSWORD, TOUCH], RESISTANT, id="password and key"),
        pytest.param([SSO, TOUCH], RESISTANT, id="SSO and key"),
        pytest.param([PASSKEY], RESISTANT, id="a passkey"),
        pytest.param([PASSWORD, TOTP, TOUCH], RESISTANT, id="a key beside a code"),
    ],
)
def test_strength_derives_from_the_kinds_of_factor_proved(proofs: list[Proof], strength: Strength) -> None:
    assert strength_of(proofs) is strength
    assert strength_of(iter(proofs)) is strength


@pytest.mark.parametrize("method", [method for method in Method if method is not Method.WEBAUTHN])
def test_user_verification_means_nothing_outside_webauthn(method: Method) -> None:
    assert strength_of([proof(method, verified=True)]) is SINGLE


@pytest.mark.parametrize(
    ("proofs", "spent", "strength"),
    [
        pytest.param([], [PASSKEY], SINGLE, id="a passkey that ran out still tells who signed in"),
        pytest.param([], [TOUCH], NONE, id="a touch that ran out tells nothing"),
        pytest.param([], [TOTP], NONE, id="a code that ran out tells nothing"),
        pytest.param([PASSWORD], [TOUCH], SINGLE, id="a spent key does not lift a password"),
        pytest.param([PASSWORD], [PASSKEY], SINGLE, id="nor does a spent passkey"),
        pytest.param([TOTP], [PASSKEY], MULTI, id="passkey sign-in stepped up with a code"),
        pytest.param([TOUCH], [PASSKEY], RESISTANT, id="passkey sign-in stepped up with a touch"),
        pytest.param([TOTP], [TOUCH], SINGLE, id="a spent touch is no second kind"),
        pytest.param([], [PASSWORD], SINGLE, id="a password tells who"),
    ],
)
def test_a_spent_proof_tells_who_but_no_longer_what_they_have(
    proofs: list[Proof], spent: list[Proof], strength: Strength
) -> None:
    assert strength_of(proofs, spent=spent) is strength


@given(st.lists(st.sampled_from([PASSWORD, SSO, PASS, TOTP, CODE, MAIL, SMS, TOUCH, PASSKEY])), st.data())
def test_more_proof_is_never_weaker(proofs: list[Proof], data: st.DataObject) -> None:
    fewer = [one for one in proofs if data.draw(st.booleans())]
    assert strength_of(fewer) <= strength_of(proofs)
    assert strength_of(fewer) <= strength_of(fewer, spent=proofs) <= strength_of(proofs)


def test_strengths_are_ordered() -> None:
    assert list(Strength) == sorted(Strength)
    assert NONE < SINGLE < MULTI < RESISTANT
    assert [int(strength) for strength in Strength] == [0, 1, 2, 3]


@pytest.mark.parametrize("method", Method)
def test_strength_with_a_password_agrees_with_strength_of(method: Method) -> None:
    assert strength_with(method) is strength_of([PASSWORD, proof(method)])


def test_the_stored_names_of_methods_never_change() -> None:
    assert {method.name: method.value for method in Method} == {
        "PASSWORD": "password",
        "TOTP": "totp",
        "WEBAUTHN": "webauthn",
        "RECOVERY_CODE": "recovery_code",
        "EMAIL_CODE": "email_code",
        "SMS_CODE": "sms_code",
        "SSO": "sso",
        "ACCESS_PASS": "access_pass",
        "ENROLMENT_LINK": "enrolment_link",
    }
    assert set(Method) - SECOND_FACTORS - ADMISSIONS == {Method.PASSWORD, Method.SSO}
    assert ADMISSIONS == {Method.ACCESS_PASS, Method.ENROLMENT_LINK}


@pytest.mark.security(54)
@pytest.mark.parametrize("method", sorted(ADMISSIONS))
def test_a_link_or_a_pass_never_makes_a_session_stronger_than_a_password(method: Method) -> None:
    admitted = proof(method)
    assert strength_of([admitted]) is strength_of([PASSWORD, admitted]) is SINGLE
    assert strength_of([PASSWORD, PASS, admitted]) is SINGLE
    assert aal_of(strength_of([PASSWORD, admitted])) == 1
    assert "mfa" not in amr_of([PASSWORD, admitted])


@pytest.mark.parametrize(
    ("strength", "device_bound", "aal"),
    [
        (NONE, False, 0),
        (NONE, True, 0),
        (SINGLE, False, 1),
        (SINGLE, True, 1),
        (MULTI, False, 2),
        (MULTI, True, 2),
        (RESISTANT, False, 2),
        (RESISTANT, True, 3),
    ],
)
@pytest.mark.security(39)
def test_aal3_is_claimed_for_device_bound_keys_only(strength: Strength, device_bound: bool, aal: int) -> None:
    assert aal_of(strength, device_bound=device_bound) == aal


def test_aal3_is_not_claimed_unasked() -> None:
    assert aal_of(RESISTANT) == 2


@pytest.mark.parametrize(
    ("proofs", "amr"),
    [
        pytest.param([], (), id="nothing"),
        pytest.param([PASSWORD], ("pwd",), id="password"),
        pytest.param([PASSWORD, TOTP], ("pwd", "otp", "mfa"), id="password and TOTP"),
        pytest.param([TOTP, PASSWORD, TOTP], ("pwd", "otp", "mfa"), id="each once, in order"),
        pytest.param([PASSWORD, CODE], ("pwd", "otp", "mfa"), id="a recovery code is used once too"),
        pytest.param([PASSWORD, MAIL], ("pwd", "otp", "mfa"), id="a mailed code"),
        pytest.param([PASSWORD, SMS], ("pwd", "sms", "mfa"), id="a texted code"),
        pytest.param([PASS], ("otp",), id="an access pass"),
        pytest.param([SSO], (), id="the provider's values are not ours to claim"),
        pytest.param([SSO, TOTP], ("otp", "mfa"), id="SSO and TOTP"),
        pytest.param([TOUCH], ("swk", "user"), id="a key alone"),
        pytest.param([PASSWORD, TOUCH], ("pwd", "swk", "user", "mfa"), id="password and key"),
        pytest.param([PASSKEY], ("swk", "user", "mfa"), id="a passkey"),
    ],
)
def test_amr_values_are_those_of_rfc_8176(proofs: list[Proof], amr: tuple[str, ...]) -> None:
    assert amr_of(proofs) == amr
    assert amr_of(iter(proofs)) == amr


def test_a_key_known_to_be_hardware_says_so() -> None:
    assert amr_of([PASSKEY], hardware={BOUND}) == ("hwk", "user", "mfa")


def test_a_software_key_beside_a_hardware_key_claims_both() -> None:
    synced = Proof(Method.WEBAUTHN, AT, UUID(int=2))
    assert amr_of([PASSKEY, synced], hardware={BOUND}) == ("hwk", "swk", "user", "mfa")


def test_a_proof_without_a_time_zone_is_refused() -> None:
    naive = AT.replace(tzinfo=None)
    with pytest.raises(ValueError, match=r"^A proof needs aware times\.$"):
        Proof(Method.PASSWORD, naive)
    with pytest.raises(ValueError, match=r"^A proof needs aware times\.$"):
        Proof(Method.TOTP, AT, BOUND, bound_at=naive)


aware = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]))
proofs = st.builds(Proof, st.sampled_from(Method), aware, st.none() | st.uuids(), st.booleans(), st.none() | aware)


@given(st.lists(proofs, max_size=4))
def test_proofs_survive_the_session(recorded: list[Proof]) -> None:
    assert from_json(to_json(recorded)) == tuple(recorded)


def test_the_stored_form_is_pinned() -> None:
    assert to_json([Proof(Method.WEBAUTHN, AT, BOUND, user_verified=True, bound_at=AT), Proof(Method.SSO, AT)]) == [
        {
            "method": "webauthn",
            "at": "2030-05-01T12:00:00+00:00",
            "binding": str(BOUND),
            "user_verified": True,
            "bound_at": "2030-05-01T12:00:00+00:00",
        },
        {
            "method": "sso",
            "at": "2030-05-01T12:00:00+00:00",
            "binding": None,
            "user_verified": False,
            "bound_at": None,
        },
    ]


STORED = to_json([TOTP])[0]


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(None, id="null"),
        pytest.param("totp", id="a string"),
        pytest.param([STORED], id="a list"),
        pytest.param({}, id="nothing in it"),
        pytest.param({**STORED, "trusted": True}, id="a key nobody knows"),
        pytest.param({key: STORED[key] for key in STORED if key != "bound_at"}, id="a key is missing"),
        pytest.param({**STORED, "method": "palm"}, id="an unknown method"),
        pytest.param({**STORED, "method": "TOTP"}, id="a method by its name"),
        pytest.param({**STORED, "method": []}, id="a method that is a list"),
        pytest.param({**STORED, "method": None}, id="no method"),
        pytest.param({**STORED, "at": "2030-05-01T12:00:00"}, id="a naive time"),
        pytest.param({**STORED, "at": "soon"}, id="no time at all"),
        pytest.param({**STORED, "at": 1904900400}, id="a time in seconds"),
        pytest.param({**STORED, "at": None}, id="no time"),
        pytest.param({**STORED, "bound_at": "2030-05-01"}, id="bound on a naive day"),
        pytest.param({**STORED, "bound_at": 5}, id="bound at a number"),
        pytest.param({**STORED, "bound_at": False}, id="bound at false"),
        pytest.param({**STORED, "binding": "seven"}, id="a binding that is no UUID"),
        pytest.param({**STORED, "binding": 7}, id="a binding that is a number"),
        pytest.param({**STORED, "binding": ""}, id="an empty binding"),
        pytest.param({**STORED, "user_verified": 1}, id="verified by one"),
        pytest.param({**STORED, "user_verified": "yes"}, id="verified by yes"),
        pytest.param({**STORED, "user_verified": None}, id="verified by null"),
    ],
)
def test_a_malformed_entry_proves_nothing_and_spoils_nothing(entry: object) -> None:
    assert from_json([entry, STORED]) == (TOTP,)


@pytest.mark.parametrize("value", [None, {}, STORED, "[]", 3, (STORED,)], ids=repr)
def test_what_is_no_list_proves_nothing(value: object) -> None:
    assert from_json(value) == ()


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.fixed_dictionaries({key: nested | st.just(STORED[key]) for key in STORED}))
def test_reading_never_raises(entry: dict[str, object]) -> None:
    assert all(isinstance(one, Proof) for one in from_json([entry]))


def test_the_module_needs_neither_django_nor_a_database() -> None:
    look = "import sys, accounts.assurance; print('django' in sys.modules, 'sqlite3' in sys.modules)"
    seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["False", "False"]
