"""The key ring: what is sealed opens only where it belongs, and nothing that fails says what it held."""

import base64
import json
import logging
import pickle
import traceback
import uuid

import pytest
from cryptography.fernet import Fernet
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter
from hypothesis import example, given
from hypothesis import strategies as st

from accounts import keyring
from accounts.keyring import Context, KeyRing, MisconfiguredKeys, Reason, UnreadableSecret

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PUBLISHED_SPECIMEN = "s098x330" + "Q" * 35 + "="

any_text = st.text(st.characters(codec=None), max_size=300)
contexts = st.builds(
    Context,
    kind=st.text(st.characters(codec="ascii"), max_size=20),
    row=st.uuids(),
    owner=st.uuids(),
)


def new_key() -> str:
    return Fernet.generate_key().decode()


def raw_key(key: str) -> bytes:
    return base64.urlsafe_b64decode(key)


def as_key(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


HERE = Context("totp", uuid.uuid4(), uuid.uuid4())
KEYS = [new_key() for _ in range(5)]
RING = KeyRing(KEYS)


@pytest.fixture
def site_keys(settings) -> list[str]:
    settings.MFA_ENCRYPTION_KEYS = [new_key(), new_key()]
    settings.MFA_ADOPT_FOREIGN_SECRETS = False
    return settings.MFA_ENCRYPTION_KEYS


def reason_of(ciphertext: str, context: Context = HERE, *, ring: KeyRing = RING, adopt: bool = False) -> Reason:
    with pytest.raises(UnreadableSecret) as refusal:
        ring.unseal(ciphertext, context, adopt_foreign=adopt)
    if isinstance(ciphertext, str) and "$" in ciphertext:  # what changes keys and what reads back are as strict
        with pytest.raises(UnreadableSecret) as same:
            ring.opened(ciphertext, context.frame())
        assert same.value.args == refusal.value.args
    return refusal.value.reason


@pytest.mark.security(7, 85)
@given(text=any_text, context=contexts)
@example(text="", context=HERE)
@example(text="lone \ud800 surrogate", context=HERE)
def test_any_text_opens_again_in_its_own_context(text, context):
    assert RING.unseal(RING.seal(text, context), context) == text


@pytest.mark.security(7)
def test_a_ciphertext_is_the_primary_key_id_a_dollar_and_a_fernet_token():
    key_id, _, token = RING.seal(SECRET, HERE).partition("$")
    assert key_id == RING.primary_id == keyring.key_id(raw_key(KEYS[0]))
    assert Fernet(KEYS[0]).decrypt(token).endswith(SECRET.encode())
    assert SECRET not in key_id + token


def test_the_key_id_is_the_start_of_the_digest_of_the_decoded_key():
    assert keyring.key_id(bytes(range(32))) == "630dcd29"  # sha256 of 00 01 … 1f


def test_two_seals_of_one_secret_have_nothing_in_common():
    first, second = (RING.seal(SECRET, HERE).partition("$")[2] for _ in range(2))
    assert first != second


@pytest.mark.security(85)
@given(text=any_text, context=contexts, other=contexts)
def test_a_ciphertext_does_not_open_in_another_context(text, context, other):
    sealed = RING.seal(text, context)
    if other != context:
        assert reason_of(sealed, other) is Reason.WRONG_CONTEXT


@pytest.mark.security(85)
@pytest.mark.parametrize(
    "change", [{"kind": "totp_pending"}, {"kind": "otpt"}, {"row": uuid.uuid4()}, {"owner": uuid.uuid4()}]
)
@pytest.mark.parametrize("adopt", [False, True])
def test_every_part_of_the_context_counts(change, adopt):
    parts = {"kind": HERE.kind, "row": HERE.row, "owner": HERE.owner} | change
    assert reason_of(RING.seal(SECRET, HERE), Context(**parts), adopt=adopt) is Reason.WRONG_CONTEXT


@pytest.mark.security(85)
def test_row_and_owner_cannot_be_swapped():
    turned = Context(HERE.kind, HERE.owner, HERE.row)
    assert reason_of(RING.seal(SECRET, HERE), turned) is Reason.WRONG_CONTEXT


@pytest.mark.security(85)
@given(first=contexts, second=contexts)
def test_no_frame_is_the_start_of_another(first, second):
    if first != second:
        assert not first.frame().startswith(second.frame())


@pytest.mark.security(85)
def test_the_parts_of_a_context_cannot_run_into_each_other():
    first = Context("k", uuid.UUID(bytes=b"r" * 16), uuid.UUID(bytes=b"o" * 16))
    second = Context("kr", uuid.UUID(bytes=b"r" * 15 + b"o"), uuid.UUID(bytes=b"o" * 15 + b"t"))
    assert reason_of(RING.seal("t" + SECRET, first), second) is Reason.WRONG_CONTEXT


@pytest.mark.security(85)
def test_a_secret_that_looks_like_a_frame_is_only_text():
    framed = HERE.frame().decode("latin-1") + SECRET
    elsewhere = Context("totp", uuid.uuid4(), uuid.uuid4())
    sealed = RING.seal(framed, elsewhere)
    assert RING.unseal(sealed, elsewhere) == framed
    assert reason_of(sealed) is Reason.WRONG_CONTEXT


@pytest.mark.security(85)
@given(data=st.data(), adopt=st.booleans())
def test_any_flipped_bit_fails_closed(data, adopt):
    sealed = RING.seal(SECRET, HERE)
    place = data.draw(st.integers(0, len(sealed) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = sealed[:place] + chr(ord(sealed[place]) ^ (1 << bit)) + sealed[place + 1 :]
    assert reason_of(changed, adopt=adopt) in Reason


@pytest.mark.security(85)
@pytest.mark.parametrize("adopt", [False, True])
def test_any_truncation_fails_closed(adopt):
    sealed = RING.seal(SECRET, HERE)
    for length in range(len(sealed)):
        assert reason_of(sealed[:length], adopt=adopt) in Reason


@pytest.mark.security(85)
@given(tail=st.text(min_size=1, max_size=10), adopt=st.booleans())
def test_nothing_may_be_added_before_or_after(tail, adopt):
    sealed = RING.seal(SECRET, HERE)
    assert reason_of(sealed + tail, adopt=adopt) in Reason
    assert reason_of(tail + sealed, adopt=adopt) in Reason


@pytest.mark.security(85)
@pytest.mark.parametrize("noise", ["\n", " ", "*", "\x00", "=", "ü", "\ud800"])
def test_characters_that_base64_would_skip_are_refused(noise):
    sealed = RING.seal(SECRET, HERE)
    assert reason_of(sealed[:40] + noise + sealed[40:]) is Reason.TAMPERED


@pytest.mark.security(85)
def test_a_token_spelled_in_another_way_is_refused():
    sealed = next(s for s in iter(lambda: RING.seal("A" * 33, HERE), None) if s.endswith("="))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    body = sealed.rstrip("=")
    twin = body[:-1] + alphabet[alphabet.index(body[-1]) ^ 1] + sealed[len(body) :]
    assert base64.urlsafe_b64decode(twin[9:]) == base64.urlsafe_b64decode(sealed[9:])
    assert reason_of(twin) is Reason.TAMPERED


@pytest.mark.security(85)
@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ("", Reason.MALFORMED),
        (None, Reason.MALFORMED),
        (123456, Reason.MALFORMED),
        (["a"], Reason.MALFORMED),
        ("$", Reason.MALFORMED),
        ("$$$", Reason.MALFORMED),
        ("nothexid$gAAAAA", Reason.MALFORMED),
        ("\x00$\x00", Reason.MALFORMED),
        ("DEADBEEF$gAAAAA", Reason.MALFORMED),
        ("deadbeef$gAAAAA", Reason.UNKNOWN_KEY),
        (f"{RING.primary_id}$", Reason.TAMPERED),
        (f"{RING.primary_id}$gAAAA", Reason.TAMPERED),
        (f"{RING.primary_id}$" + "A" * 10_000_000, Reason.TAMPERED),
    ],
    ids=lambda value: value.name if isinstance(value, Reason) else "stored",
)
def test_damaged_ciphertexts_have_a_reason_and_never_another_error(stored, reason):
    assert reason_of(stored) is reason


@given(
    stored=st.one_of(any_text, st.binary().map(lambda b: f"{RING.primary_id}${base64.urlsafe_b64encode(b).decode()}"))
)
def test_whatever_is_stored_is_refused_as_unreadable(stored):
    assert reason_of(stored) in Reason


@given(order=st.permutations(KEYS))
def test_every_key_of_the_ring_opens_in_whatever_order_they_stand(order):
    sealed = [KeyRing([key]).seal(SECRET, HERE) for key in KEYS]
    ring = KeyRing(order)
    assert [ring.unseal(ciphertext, HERE) for ciphertext in sealed] == [SECRET] * len(KEYS)
    assert ring.primary_id == keyring.key_id(raw_key(order[0]))


@pytest.mark.security(86)
def test_a_new_primary_seals_and_the_old_key_still_opens():
    old, new = new_key(), new_key()
    sealed = KeyRing([old]).seal(SECRET, HERE)
    rotated = KeyRing([new, old])
    assert rotated.unseal(sealed, HERE) == SECRET
    resealed = rotated.seal(rotated.unseal(sealed, HERE), HERE)
    assert KeyRing([new]).unseal(resealed, HERE) == SECRET


@pytest.mark.security(86)
def test_a_key_that_was_removed_too_early_is_named_by_its_id():
    sealed = KeyRing([KEYS[1]]).seal(SECRET, HERE)
    with pytest.raises(UnreadableSecret) as refusal:
        KeyRing([KEYS[0]]).unseal(sealed, HERE)
    assert (refusal.value.reason, refusal.value.key_id) == (Reason.UNKNOWN_KEY, keyring.key_id_of(sealed))


@pytest.mark.security(85)
def test_a_ciphertext_relabelled_with_another_key_of_the_ring_does_not_open():
    _, _, token = RING.seal(SECRET, HERE).partition("$")
    assert reason_of(f"{RING.ids[1]}${token}") is Reason.TAMPERED


def test_the_right_key_is_picked_without_trial(monkeypatch):
    tried = []
    decrypt = Fernet.decrypt
    monkeypatch.setattr(Fernet, "decrypt", lambda self, token: tried.append(self) or decrypt(self, token))
    assert RING.unseal(KeyRing([KEYS[-1]]).seal(SECRET, HERE), HERE) == SECRET
    assert len(tried) == 1


@pytest.mark.security(85)
@pytest.mark.parametrize("stored", [SECRET, "ab" * 40, "12345678", "gAAAAABnot-a-token"])
def test_foreign_secrets_do_not_open_by_default(stored):
    assert reason_of(stored) is Reason.FOREIGN


@pytest.mark.security(85)
def test_a_bare_token_does_not_open_by_default():
    assert reason_of(Fernet(KEYS[0]).encrypt(SECRET.encode()).decode()) is Reason.FOREIGN


@pytest.mark.parametrize("stored", [SECRET, "ab" * 40, "12345678", "abcd-efgh"])
def test_the_plaintext_of_an_older_site_opens_while_adopting(stored):
    assert RING.unseal(stored, HERE, adopt_foreign=True) == stored


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_a_bare_token_under_any_key_opens_while_adopting(key):
    bare = Fernet(key).encrypt(SECRET.encode()).decode()
    assert RING.unseal(bare, HERE, adopt_foreign=True) == SECRET


@pytest.mark.security(85)
def test_a_ciphertext_of_ours_cannot_pass_as_a_bare_token_while_adopting():
    _, _, token = RING.seal(SECRET, HERE).partition("$")
    assert reason_of(token, adopt=True) is Reason.MALFORMED


@pytest.mark.security(85)
def test_a_bare_token_cannot_pass_as_a_ciphertext_of_ours():
    bare = Fernet(KEYS[0]).encrypt(SECRET.encode()).decode()
    for adopt in (False, True):
        assert reason_of(f"{RING.primary_id}${bare}", adopt=adopt) is Reason.WRONG_CONTEXT


def test_a_bare_token_under_a_foreign_key_is_tampered_with():
    bare = Fernet(new_key()).encrypt(SECRET.encode()).decode()
    assert reason_of(bare, adopt=True) is Reason.TAMPERED


@pytest.mark.parametrize("text", ["short", "x" * 129, "zero\x00byte", "1٢3٤5٦7", "€€€€€€€", "secret\n"])
def test_adopting_takes_only_what_stock_allauth_stores(text):
    assert reason_of(text, adopt=True) is Reason.MALFORMED
    assert reason_of(Fernet(KEYS[0]).encrypt(text.encode()).decode(), adopt=True) is Reason.MALFORMED


def test_the_settings_decide_which_keys_seal_and_open(site_keys, settings):
    sealed = keyring.seal(SECRET, HERE)
    assert keyring.unseal(sealed, HERE) == SECRET
    assert keyring.key_id_of(sealed) == keyring.primary_key_id()

    settings.MFA_ENCRYPTION_KEYS = [new_key(), *site_keys]
    assert keyring.unseal(sealed, HERE) == SECRET
    assert keyring.key_id_of(keyring.seal(SECRET, HERE)) != keyring.key_id_of(sealed)

    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    with pytest.raises(UnreadableSecret, match="unknown_key"):
        keyring.unseal(sealed, HERE)


def test_a_ring_is_built_once_per_value_and_follows_a_list_changed_in_place(site_keys):
    assert keyring.current() is keyring.current()
    before = keyring.current()
    site_keys.insert(0, new_key())
    assert keyring.current().ids[1:] == before.ids


@pytest.mark.security(85)
def test_the_setting_decides_whether_foreign_secrets_open(site_keys, settings):
    with pytest.raises(UnreadableSecret, match="foreign"):
        keyring.unseal(SECRET, HERE)
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    assert keyring.unseal(SECRET, HERE) == SECRET
    settings.MFA_ADOPT_FOREIGN_SECRETS = False
    with pytest.raises(UnreadableSecret, match="foreign"):
        keyring.unseal(SECRET, HERE)


@pytest.mark.parametrize(
    ("ciphertext", "key_id"),
    [
        ("deadbeef$gAAAAA", "deadbeef"),
        ("gAAAAABdeadbeef", ""),
        (SECRET, ""),
        ("", ""),
        ("DEADBEEF$x", ""),
        ("deadbeef\n$x", ""),
        ("$", ""),
    ],
)
def test_a_foreign_secret_has_no_key_id(ciphertext, key_id):
    assert keyring.key_id_of(ciphertext) == key_id


def test_blanks_around_a_key_and_the_other_alphabet_make_no_difference():
    key = as_key(b"\xfb\xff\xfe" * 2 + bytes(range(26)))
    assert {"-", "_"} & set(key)
    twin = f" {key.replace('-', '+').replace('_', '/')}\n"
    sealed = KeyRing([key]).seal(SECRET, HERE)
    assert KeyRing([twin]).unseal(sealed, HERE) == SECRET
    assert KeyRing([key, twin]).ids == KeyRing([key]).ids


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [""],
        ["not a key"],
        [new_key()[:-1]],
        [new_key() + "A"],
        [as_key(b"\x01\x02" * 8)],
        [as_key(bytes(33))],
        [new_key(), "ключ"],
    ],
)
def test_what_is_no_ring_is_refused_without_naming_the_key(keys):
    with pytest.raises(MisconfiguredKeys, match=r"^(In )?MFA_ENCRYPTION_KEYS") as refusal:
        KeyRing(keys)
    assert not any(key and key in str(refusal.value) for key in keys)


def test_two_keys_with_one_id_are_refused(monkeypatch):
    monkeypatch.setattr(keyring, "key_id", lambda raw: "deadbeef")
    with pytest.raises(MisconfiguredKeys, match="same id"):
        KeyRing([new_key(), new_key()])


@pytest.mark.parametrize(
    "key",
    [
        PUBLISHED_SPECIMEN,
        f" {PUBLISHED_SPECIMEN}",
        as_key(bytes(32)),
        as_key(b"\xff" * 32),
        as_key(b"\xa7\x3c" * 16),
        as_key(bytes(range(32))),
        as_key(bytes(range(255, 223, -1))),
        as_key(b"0123456789abcdef0123456789ABCDEF"),
        as_key(b"my very secret key of 32 letters"),
    ],
)
def test_a_key_that_others_know_is_refused_as_primary_only(key):
    assert keyring.is_public(key)
    with pytest.raises(MisconfiguredKeys, match="others know"):
        KeyRing([key, KEYS[0]])
    if keyring.key_bytes(key):
        assert KeyRing([KEYS[0], key]).primary_id == RING.primary_id


def test_a_published_key_is_known_by_its_digest(monkeypatch):
    key = new_key()
    assert not keyring.is_public(key)
    monkeypatch.setattr(keyring, "PUBLISHED_DIGESTS", {keyring.hashlib.sha256(raw_key(key)).hexdigest()})
    assert keyring.is_public(key)
    assert keyring.is_public(f"{key}\n")


@given(raw=st.binary(min_size=32, max_size=32))
def test_judging_a_key_never_fails(raw):
    assert keyring.is_public(as_key(raw)) in {True, False}


def test_fresh_keys_are_never_taken_for_public_ones():
    assert not any(keyring.is_public(new_key()) for _ in range(2_000))


@pytest.mark.security(87)
@pytest.mark.parametrize("stored", [SECRET, "tampered", "copied", "bare"])
def test_a_refusal_tells_neither_secret_nor_ciphertext_nor_key(site_keys, stored, caplog):
    sealed = keyring.seal(SECRET, Context("totp", uuid.uuid4(), uuid.uuid4()))
    bare = Fernet(site_keys[0]).encrypt(SECRET.encode()).decode()
    ciphertext = {"tampered": sealed[:-6] + "AAAAA=", "copied": sealed, "bare": bare}.get(stored, stored)
    with caplog.at_level(logging.DEBUG), pytest.raises(UnreadableSecret) as refusal:
        keyring.unseal(ciphertext, HERE)
    error = refusal.value
    told = "".join(traceback.format_exception(error)) + str(error) + repr(error) + caplog.text
    assert error.__context__ is None
    assert error.__cause__ is None
    for hidden in (SECRET, sealed[9:], bare, *site_keys):
        assert hidden not in told


def error_report(error: Exception) -> str:
    """What Django would show and mail about a crash, without the frame of the test itself.

    By Django's filter: the site's own would hide every frame, marked or not.
    """
    reporter = ExceptionReporter(None, type(error), error, error.__traceback__.tb_next)
    reporter.filter = SafeExceptionReporterFilter()
    return reporter.get_traceback_html() + reporter.get_traceback_text()


@pytest.mark.security(87)
@pytest.mark.parametrize("adopt", [False, True])
def test_the_error_report_of_a_crash_shows_no_plaintext_and_no_key(site_keys, settings, adopt):
    settings.DEBUG, settings.MFA_ADOPT_FOREIGN_SECRETS = False, adopt
    sealed = keyring.seal(SECRET, Context("totp", uuid.uuid4(), uuid.uuid4()))
    for ciphertext in (sealed, sealed[9:], SECRET + "*"):
        with pytest.raises(UnreadableSecret) as refusal:
            keyring.unseal(ciphertext, HERE)
        report = error_report(refusal.value)
        assert refusal.value.reason in report
        for hidden in (SECRET, ciphertext, *site_keys):
            assert hidden not in report


@pytest.mark.security(86)
@given(texts=st.lists(any_text, max_size=5), data=st.data())
def test_what_is_sealed_anew_is_the_same_secret_under_the_first_key_in_the_same_context(texts, data):
    there = [data.draw(contexts) for _ in texts]
    held = [KeyRing([data.draw(st.sampled_from(KEYS))]).seal(*one) for one in zip(texts, there, strict=True)]
    secrets = [RING.opened(one, context.frame()) for one, context in zip(held, there, strict=True)]
    assert secrets == [keyring.framed(text, context.frame()) for text, context in zip(texts, there, strict=True)]
    for text, context, anew in zip(texts, there, RING.sealed(secrets), strict=True):
        assert keyring.key_id_of(anew) == RING.primary_id
        assert KeyRing(KEYS[:1]).unseal(anew, context) == text


@pytest.mark.security(85)
@pytest.mark.parametrize("stored", [None, 7, "", SECRET, "gAAAAAbare"])
def test_what_names_no_key_is_not_opened_where_keys_are_changed(stored, site_keys, settings):
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    with pytest.raises(UnreadableSecret, match="malformed"):
        RING.opened(stored, HERE.frame())


@pytest.mark.security(85)
@given(
    token=st.one_of(
        st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
        st.text(st.sampled_from("AQgwBEIx_-0489+/= \n"), max_size=12),
    )
)
@example(token="")
@example(token="QQ==\n")
@example(token="QR==")
@example(token="QUE=QUE=")
def test_base64_is_spelled_in_the_one_way_in_which_it_is_written(token):
    try:
        again = base64.urlsafe_b64encode(base64.urlsafe_b64decode(token)).decode()
    except ValueError:
        again = None
    assert keyring._is_spelled(token) == (token != "" and again == token)


@pytest.mark.security(87)
def test_the_error_report_of_a_crash_shows_no_bare_token(site_keys, settings, monkeypatch):
    settings.DEBUG, settings.MFA_ADOPT_FOREIGN_SECRETS = False, True
    bare = Fernet(site_keys[1]).encrypt(SECRET.encode()).decode()
    monkeypatch.setattr(keyring.Fernet, "decrypt", lambda *_given: [][0])
    with pytest.raises(IndexError) as crashed:
        keyring.unseal(bare, HERE)
    assert bare not in error_report(crashed.value)
    assert bare[:40] not in error_report(crashed.value)


@pytest.mark.security(87)
def test_the_error_report_of_a_ring_used_directly_shows_no_plaintext_and_no_key(settings):
    settings.DEBUG = False
    sealed = RING.seal(SECRET, Context("totp", uuid.uuid4(), uuid.uuid4()))
    with pytest.raises(UnreadableSecret) as unreadable:
        RING.unseal(sealed, HERE)
    with pytest.raises(MisconfiguredKeys) as misconfigured:
        KeyRing([*KEYS, "no key"])
    report = error_report(unreadable.value) + error_report(misconfigured.value)
    assert not any(hidden in report for hidden in (SECRET, sealed, *KEYS))


@pytest.mark.security(87)
def test_the_error_report_of_a_bad_ring_shows_no_key(settings):
    settings.DEBUG = False
    settings.MFA_ENCRYPTION_KEYS = keys = [new_key(), new_key()[:-8]]
    with pytest.raises(MisconfiguredKeys) as refusal:
        keyring.current()
    report = error_report(refusal.value)
    assert "entry 2" in report
    assert not any(key in report for key in keys)


@pytest.mark.security(87)
def test_a_ring_shows_its_ids_and_not_its_keys():
    assert repr(RING) == f"KeyRing({', '.join(RING.ids)})"


def test_a_refusal_survives_pickling_and_json():
    error = pickle.loads(pickle.dumps(UnreadableSecret(Reason.TAMPERED, "deadbeef")))  # noqa: S301
    assert (error.reason, error.key_id) == (Reason.TAMPERED, "deadbeef")
    assert json.dumps({"reason": error.reason}) == '{"reason": "tampered"}'


def test_a_context_cannot_be_changed():
    with pytest.raises(AttributeError):
        HERE.kind = "other"
