"""Whatever arrives in an answer's place is refused by name, quickly, and never by a crash."""

import base64
import json
import time
from typing import Any

import pytest
from fido2 import cbor
from fido2.utils import websafe_decode, websafe_encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.authenticators import webauthn_errors, webauthn_wire
from accounts.authenticators.webauthn_data import AuthenticatorData, read_answer, read_registration, read_signed
from accounts.authenticators.webauthn_errors import MalformedAnswer
from accounts.models import Ceremony, WebAuthnCredential
from tests.accounts.webauthn_scene import Scene
from tests.soft_authenticator import SoftKey

ORIGIN = "http://localhost:8000"
OPTIONS = {
    "publicKey": {
        "rp": {"id": "localhost"},
        "rpId": "localhost",
        "user": {"id": websafe_encode(b"h" * 64)},
        "challenge": websafe_encode(b"c" * 32),
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
    }
}
KEY = SoftKey(extensions={"credProtect": 2})
CREATED = KEY.create(OPTIONS, ORIGIN)
SIGNED = KEY.get(OPTIONS, ORIGIN)
CLIENT_DATA = websafe_decode(SIGNED["response"]["clientDataJSON"])

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=60).map(websafe_encode)
    | st.sampled_from(["\x00", "\ud800", "A", "=", "AA==", "a" * 4000, [], {}])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def read_all(answer: object) -> None:
    """Both readers to their end; MalformedAnswer and CredentialIdTooLong are what they may raise."""
    for read in (read_registration, read_signed):
        try:
            read(read_answer(answer))
        except (MalformedAnswer, webauthn_errors.CredentialIdTooLong):
            continue


@pytest.mark.security(47)
@given(anything)
def test_no_json_value_crashes_the_readers(value):
    read_all(value)
    read_all(json.dumps(value))


@pytest.mark.security(47)
@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_no_text_crashes_the_readers(text):
    read_all(text)


def members_of(answer: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(name,) for name in answer] + [("response", name) for name in answer["response"]]


def changed(answer: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    copy = json.loads(json.dumps(answer))
    inner = copy if len(path) == 1 else copy[path[0]]
    inner[path[-1]] = value
    return copy


@pytest.mark.security(47)
@given(st.data())
def test_no_value_of_any_member_crashes_the_readers(data):
    answer = data.draw(st.sampled_from([CREATED, SIGNED]))
    path = data.draw(st.sampled_from(members_of(answer)))
    read_all(changed(answer, path, data.draw(anything)))


@pytest.mark.security(47)
@given(st.data())
def test_no_damaged_bytes_crash_the_readers(data):
    answer = data.draw(st.sampled_from([CREATED, SIGNED]))
    binary = ("attestationObject", "authenticatorData", "clientDataJSON")
    name = data.draw(st.sampled_from([found for found in binary if found in answer["response"]]))
    raw = bytearray(websafe_decode(answer["response"][name]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        raw = raw or bytearray(b"\x00")
    read_all(changed(answer, ("response", name), websafe_encode(bytes(raw))))


IGNORED = [
    ("authenticatorAttachment",),
    ("clientExtensionResults",),
    ("response", "transports"),
    ("response", "publicKeyAlgorithm"),
]


@pytest.mark.django_db
@pytest.mark.security(47)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.data())
def test_no_damaged_answer_gets_more_than_a_named_refusal(data):
    scene = Scene()
    enrolling = data.draw(st.booleans())
    if not enrolling:
        scene.enrol()
    answer = scene.key.create(scene.creation(), ORIGIN) if enrolling else scene.key.get(scene.request(), ORIGIN)
    dropped = {*IGNORED, ("response", "authenticatorData")} if enrolling else IGNORED
    path = data.draw(st.sampled_from([path for path in members_of(answer) if path not in dropped]))
    value = data.draw(anything.filter(lambda found: found != _at(answer, path)))
    try:
        (scene.complete if enrolling else scene.verify)(changed(answer, path, value))
    except webauthn_errors.WebAuthnError as refusal:
        assert refusal.code.startswith("webauthn_")
    else:
        assert path == ("response", "userHandle") and value is None


def _at(answer: dict[str, Any], path: tuple[str, ...]) -> object:
    return answer[path[0]] if len(path) == 1 else answer[path[0]][path[1]]


def client_data(**members: object) -> dict[str, Any]:
    fields = {"type": "webauthn.get", "challenge": websafe_encode(b"c" * 32), "origin": ORIGIN, **members}
    return changed(SIGNED, ("response", "clientDataJSON"), websafe_encode(json.dumps(fields).encode()))


@pytest.mark.security(47, 89)
@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        True,
        [],
        b"{}",
        "",
        "null",
        "[]",
        "{}",
        '{"response":null}',
        '{"response":[]}',
        '{"response":{"clientDataJSON":7}}',
        '{"response":{"clientDataJSON":"e30"}}',
        '{"response":{"clientDataJSON":"e30="}}',
        '{"response":{"clientDataJSON":"e3"}}',
        '{"response":{"clientDataJSON":"\\ud800"}}',
        '{"response":{"clientDataJSON":"\\u0000"}}',
        "{" * 60_000,
        "[" * 60_000 + "]" * 60_000,
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        '"' + "\\" * 60_001,
        '"' + '\\"' * 30_000,
        '{"a":1,"a":2}',
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":' + "9" * 5_000 + "}",
        "x" * 70_000,
        "\ud800",
        "\x00",
        client_data(type=None),
        client_data(type=["webauthn.get"]),
        client_data(challenge=None),
        client_data(challenge="not base64url!"),
        client_data(origin=None),
        client_data(origin={"a": 1}),
        changed(SIGNED, ("response", "clientDataJSON"), websafe_encode(b"\xff{}")),
        changed(SIGNED, ("response", "clientDataJSON"), websafe_encode(b"\xef\xbb\xbf{}")),
        changed(SIGNED, ("response", "clientDataJSON"), websafe_encode(CLIENT_DATA + b" " * 5_000)),
        changed(SIGNED, ("id",), websafe_encode(b"another")),
        changed(SIGNED, ("rawId",), websafe_encode(b"another")),
        changed(SIGNED, ("type",), "password"),
        changed(SIGNED, ("response", "signature"), websafe_encode(b"s" * 1025)),
        changed(SIGNED, ("response", "signature"), None),
        changed(SIGNED, ("response", "userHandle"), websafe_encode(b"u" * 65)),
        changed(SIGNED, ("response", "userHandle"), 7),
        changed(SIGNED, ("response", "authenticatorData"), websafe_encode(bytes(36))),
        changed(SIGNED, ("response", "authenticatorData"), websafe_encode(bytes(38))),
        changed(SIGNED, ("response", "authenticatorData"), websafe_encode(bytes(17_000))),
    ],
)
def test_malformed_assertions_are_refused_by_name_and_quickly(answer):
    began = time.thread_time()
    with pytest.raises(MalformedAnswer):
        read_signed(read_answer(answer))
    assert time.thread_time() - began < 0.1


def attestation(**members: Any) -> dict[str, Any]:
    whole = cbor.decode(websafe_decode(CREATED["response"]["attestationObject"]))
    raw = cbor.encode({name: value for name, value in {**whole, **members}.items() if value is not None})
    return changed(CREATED, ("response", "attestationObject"), websafe_encode(raw))


def raw_attestation(raw: bytes) -> dict[str, Any]:
    return changed(CREATED, ("response", "attestationObject"), websafe_encode(raw))


AUTH_DATA = cbor.decode(websafe_decode(CREATED["response"]["attestationObject"]))["authData"]
HEAD, AFTER_ID = AUTH_DATA[:37], AUTH_DATA[37 + 18 + 32 :]


def attested(credential_id: bytes, key: bytes, length: int | None = None) -> bytes:
    size = len(credential_id) if length is None else length
    return HEAD + bytes(16) + size.to_bytes(2) + credential_id + key


@pytest.mark.security(47)
@pytest.mark.parametrize(
    "answer",
    [
        attestation(fmt=None),
        attestation(fmt=7),
        attestation(attStmt=None),
        attestation(attStmt=[]),
        attestation(authData=None),
        attestation(authData="text"),
        attestation(authData=b""),
        attestation(authData=AUTH_DATA[:-1]),
        attestation(authData=AUTH_DATA + b"\x00"),
        attestation(authData=AUTH_DATA[:32] + b"\x05" + AUTH_DATA[33:37]),  # nothing attested
        attestation(authData=AUTH_DATA[:40]),
        attestation(authData=attested(b"", AFTER_ID)),
        attestation(authData=attested(b"x" * 32, AFTER_ID, length=900)),
        attestation(authData=attested(websafe_decode(CREATED["rawId"]), cbor.encode([1, 2]))),
        attestation(authData=attested(websafe_decode(CREATED["rawId"]), b"\xa1\x01")),
        attestation(authData=attested(websafe_decode(CREATED["rawId"]), cbor.encode({1: 2}) + b"\x01")),
        attestation(authData=attested(websafe_decode(CREATED["rawId"]), b"\x81" * 2000)),
        raw_attestation(b""),
        raw_attestation(b"\x81" * 5_000),
        raw_attestation(b"\x9b" + b"\xff" * 8),  # an array of 2^64 - 1 items
        raw_attestation(b"\xbb" + b"\xff" * 8),
        raw_attestation(b"\x5b" + b"\xff" * 8),
        raw_attestation(b"\x9f\xff"),  # indefinite length
        raw_attestation(b"\xc0\x00"),  # a tag
        raw_attestation(b"\xf9\x00\x00"),  # a float
        raw_attestation(b"\xa1\x81\x00\x00"),  # a list for a key
        raw_attestation(b"\xa1\xf4\x00"),  # a boolean for a key
        raw_attestation(b"\xa2\x01\x00\x01\x00"),  # a key twice
        raw_attestation(b"\x61\xff"),  # text that is not UTF-8
        raw_attestation(b"\xa0\xa0"),
        raw_attestation(b"\x98" + b"\x00" * 1),
        raw_attestation(b"\x99\xff\xff" + b"\x00" * 8_000),
        raw_attestation(b"\x99\x1f\x40" + b"\x00" * 8_000),
        raw_attestation(b"\x00" * 17_000),
    ],
)
def test_malformed_registrations_are_refused_by_name_and_quickly(answer):
    began = time.thread_time()
    with pytest.raises(MalformedAnswer):
        read_registration(read_answer(answer))
    assert time.thread_time() - began < 0.1


def test_the_untouched_answers_are_read():
    registration, signed = read_registration(read_answer(CREATED)), read_signed(read_answer(json.dumps(SIGNED)))
    assert registration.credential.credential_id == signed.credential_id == websafe_decode(CREATED["rawId"])
    assert signed.user_handle == b"h" * 64
    assert registration.discoverable is True
    assert signed.authenticator_data.raw == websafe_decode(SIGNED["response"]["authenticatorData"])
    assert AuthenticatorData.parse(AUTH_DATA).credential == registration.credential


@pytest.mark.django_db
@pytest.mark.security(37, 47)
def test_what_names_no_challenge_uses_none_up():
    scene = Scene()
    options = scene.creation()
    with pytest.raises(MalformedAnswer):
        scene.complete("not an answer")
    assert scene.complete(scene.key.create(options, scene.origin))
    assert Ceremony.objects.count() == 1
    assert not WebAuthnCredential.objects.exists()


@given(st.binary(max_size=200))
def test_base64url_has_one_spelling(data):
    text = webauthn_wire.encode_base64url(data)
    assert webauthn_wire.decode_base64url(text) == data
    for other in (text + "=", base64.urlsafe_b64encode(data).decode() + "=", text + "\n", " " + text, text + "A" * 5):
        try:
            assert webauthn_wire.decode_base64url(other) != data
        except MalformedAnswer:
            continue


@pytest.mark.parametrize("text", ["AB", "AAB", "A", "A+/A", "A A", "AA\n", "\uff21", "ÄÄ", 7, None, b"AAAA"])
def test_other_spellings_of_base64url_are_refused(text):
    with pytest.raises(MalformedAnswer):
        webauthn_wire.decode_base64url(text)


def test_base64url_is_bounded_before_it_is_decoded():
    assert webauthn_wire.decode_base64url(websafe_encode(bytes(10)), limit=10) == bytes(10)
    with pytest.raises(MalformedAnswer):
        webauthn_wire.decode_base64url(websafe_encode(bytes(11)), limit=10)


@given(anything)
def test_json_is_read_as_python_reads_it(value):
    text = json.dumps(value, allow_nan=False) if _is_finite(value) else "{}"
    assert webauthn_wire.parse_json(text) == json.loads(text)


def _is_finite(value: object) -> bool:
    return not any(word in json.dumps(value) for word in ("NaN", "Infinity"))


@pytest.mark.parametrize("text", [r'"[[[\"[[["', r'["\\", [[]]]', r'{"a\\\"": "}{"}', '"' + "[" * 500 + '"'])
def test_brackets_within_strings_do_not_count_as_depth(text):
    assert webauthn_wire.parse_json(text) == json.loads(text)


def test_json_may_nest_twenty_deep_and_no_deeper():
    webauthn_wire.parse_json("[" * 20 + "]" * 20)
    with pytest.raises(MalformedAnswer):
        webauthn_wire.parse_json("[" * 21 + "]" * 21)


def test_json_is_bounded_and_says_everything_once():
    text = '"' + "x" * (webauthn_wire.JSON_LIMIT - 2) + '"'
    assert webauthn_wire.parse_json(text)
    for refused in (text + " ", '{"a":1,"a":1}', '[{"a":{"b":1,"b":2}}]', '{"a":NaN}'):
        with pytest.raises(MalformedAnswer):
            webauthn_wire.parse_json(refused)


@pytest.mark.parametrize(
    ("extensions", "discoverable"),
    [
        ({"credProps": {"rk": True}}, True),
        ({"credProps": {"rk": False}}, False),
        ({"credProps": {"rk": "yes"}}, None),
        ({"credProps": {}}, None),
        ({"credProps": []}, None),
        ([], None),
        (None, None),
    ],
)
def test_only_a_boolean_says_whether_a_credential_is_discoverable(extensions, discoverable):
    answer = changed(CREATED, ("clientExtensionResults",), extensions)
    assert read_registration(read_answer(answer)).discoverable is discoverable


cbor_values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20) | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(-99, 99) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(cbor_values)
def test_cbor_is_read_as_it_was_written(value):
    data = cbor.encode(value)
    try:
        assert webauthn_wire.parse_cbor(data) == value
    except MalformedAnswer:
        assert _cbor_depth(value) > webauthn_wire.CBOR_DEPTH
    assert _cut_short_is_refused(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x45ab",  # five bytes, says the head
        b"\x65ab",
        b"\x82\x01",
        b"\xa1\x01",
        b"\xa2\x01\x00\x01\x00",  # a key twice
        b"\xa2\x61a\x00\x61a\x01",
        b"\x19\x01",
        b"\xf8\x15",
        b"\xfb" + bytes(8),
        b"\xff",
        b"\xc1\x01",
    ],
)
def test_cbor_outside_the_subset_is_refused_before_it_is_decoded(data):
    with pytest.raises(MalformedAnswer):
        webauthn_wire.take_cbor(data, 0)


def test_cbor_is_bounded_before_it_is_read():
    bound = webauthn_wire.CBOR_LIMIT
    assert webauthn_wire.parse_cbor(b"\x59\x1f\xfd" + bytes(bound - 3)) == bytes(bound - 3)
    with pytest.raises(MalformedAnswer):
        webauthn_wire.parse_cbor(b"\x59\x1f\xfe" + bytes(bound - 2))


def _cbor_depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_cbor_depth, inner), default=0) if isinstance(value, list | dict) else 0


def _cut_short_is_refused(data: bytes) -> bool:
    try:
        webauthn_wire.parse_cbor(data[:-1])
    except MalformedAnswer:
        return True
    return False
