"""The system checks: each fault has its number, and says what mends it without saying a key."""

import base64
import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.checks import Error, Warning, run_checks
from django.core.management import call_command

from accounts import canary, checks, keyring
from accounts.flows import retirement
from accounts.models import KeyCanary
from tests.accounts.sealed_scene import add_key, apps, rotate
from tests.attestation_authority import Maker
from tests.factories import AdministratorFactory, TenantFactory

PUBLISHED = "s098x330" + "Q" * 35 + "="
ZEROES = base64.urlsafe_b64encode(bytes(32)).decode()
SHORT = base64.urlsafe_b64encode(bytes(range(16))).decode()


def new_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture(autouse=True)
def sound_settings(settings):
    """A production site with nothing wrong; each test breaks one thing."""
    settings.DEBUG = False
    settings.SITE_URL = "https://login.example.com"
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    settings.AUDIT_HMAC_KEYS = [new_key()]
    settings.WEBAUTHN_RP_ID = "login.example.com"
    settings.WEBAUTHN_ORIGINS = ["https://login.example.com"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.MFA_ADOPT_FOREIGN_SECRETS = False
    return settings


def found() -> list[str]:
    return [message.id for message in run_checks(tags=["accounts"])]


def test_a_sound_site_has_nothing_to_mend():
    assert run_checks(tags=["accounts"]) == []


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ([], ["accounts.E001"]),
        ([""], ["accounts.E002"]),
        (["change-me"], ["accounts.E002"]),
        ([SHORT], ["accounts.E002"]),
        ([new_key()[:-1]], ["accounts.E002"]),
        ([new_key(), "x", new_key(), "y"], ["accounts.E002", "accounts.E002"]),
        ([PUBLISHED], ["accounts.E004"]),
        ([ZEROES], ["accounts.E004"]),
        ([base64.urlsafe_b64encode(b"a" * 32).decode()], ["accounts.E004"]),
        ([new_key(), PUBLISHED], ["accounts.E005"]),
        ([new_key(), new_key(), ZEROES], ["accounts.E005"]),
    ],
    ids=lambda value: "" if not value or "accounts" not in value[0] else "-".join(value),
)
def test_bad_encryption_keys_are_errors(settings, keys, numbers):
    settings.MFA_ENCRYPTION_KEYS = keys
    assert found() == numbers


def test_one_key_given_twice_is_an_error_in_any_spelling(settings):
    key = new_key()
    settings.MFA_ENCRYPTION_KEYS = [key, new_key(), f" {key.replace('-', '+').replace('_', '/')}\n"]
    assert found() == ["accounts.E003"]
    assert "1 and 3" in run_checks(tags=["accounts"])[0].msg


def test_a_published_key_as_primary_is_an_error_in_development_too(settings):
    settings.DEBUG = True
    settings.MFA_ENCRYPTION_KEYS = [PUBLISHED]
    assert found() == ["accounts.E004"]


def test_every_known_digest_is_recognised_as_primary(settings, monkeypatch):
    key = new_key()
    digest = keyring.hashlib.sha256(base64.urlsafe_b64decode(key)).hexdigest()
    monkeypatch.setattr(keyring, "PUBLISHED_DIGESTS", keyring.PUBLISHED_DIGESTS | {digest})
    settings.MFA_ENCRYPTION_KEYS = [key]
    assert found() == ["accounts.E004"]
    settings.MFA_ENCRYPTION_KEYS = [new_key(), key]
    assert found() == ["accounts.E005"]


@pytest.mark.security(85)
def test_a_published_old_key_opens_only_while_moving_in_or_in_development(settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), ZEROES]
    assert found() == ["accounts.E005"]
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    assert found() == ["accounts.W001"]
    settings.MFA_ADOPT_FOREIGN_SECRETS, settings.DEBUG = False, True
    assert found() == []


@pytest.mark.parametrize("setting", ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "AUDIT_HMAC_KEYS"])
def test_a_key_with_two_purposes_is_an_error(settings, setting):
    key = new_key()
    settings.MFA_ENCRYPTION_KEYS = [new_key(), key]
    setattr(settings, setting, key if setting == "SECRET_KEY" else [key])
    assert found() == ["accounts.E011"]


@pytest.mark.parametrize(
    ("offered", "numbers"),
    [
        (["totp"], []),
        (["webauthn"], []),
        (["webauthn", "totp", "recovery_codes"], []),
        ([], ["accounts.E006"]),
        (["recovery_codes"], ["accounts.E006"]),
        (["totp", "sms"], ["accounts.E006"]),
        (["sms"], ["accounts.E006", "accounts.E006"]),
    ],
)
def test_the_site_offers_factors_that_exist(settings, offered, numbers):
    settings.MFA_PASSKEY_LOGIN_ENABLED = False
    settings.MFA_SUPPORTED_TYPES = offered
    assert found() == numbers


def test_passkeys_without_webauthn_are_a_warning(settings):
    settings.MFA_PASSKEY_LOGIN_ENABLED = True
    settings.MFA_SUPPORTED_TYPES = ["totp"]
    assert found() == ["accounts.W003"]


@pytest.mark.security(32, 33)
@pytest.mark.parametrize(
    ("rp_id", "origins"),
    [
        ("example.com", ["https://login.example.com"]),
        ("example.com", ["https://example.com", "https://a.b.example.com:8443"]),
        ("localhost", ["http://localhost:8000", "http://acme.localhost:8000", "http://localhost:8080"]),
    ],
)
def test_origins_on_the_relying_party_are_fine(settings, rp_id, origins):
    settings.WEBAUTHN_RP_ID, settings.WEBAUTHN_ORIGINS = rp_id, origins
    assert found() == []


@pytest.mark.security(32, 33)
@pytest.mark.parametrize(
    ("rp_id", "origin"),
    [
        ("example.com", "https://example.org"),
        ("example.com", "https://badexample.com"),
        ("login.example.com", "https://example.com"),
        ("example.com", "http://example.com"),
        ("example.com", "https://example.com/"),
        ("example.com", "https://example.com/accounts"),
        ("example.com", "https://example.com?x"),
        ("example.com", "https://Example.com"),
        ("example.com", "https://example.com:443"),
        ("example.com", "https://example.com:port"),
        ("example.com", "https://me@example.com"),
        ("example.com", "https://[broken.example.com"),
        ("example.com", "example.com"),
        ("example.com", "android:apk-key-hash:example.com"),
        ("example.com", ""),
        ("localhost", "http://localhost:80"),
    ],
)
def test_origins_that_browsers_would_refuse_are_errors(settings, rp_id, origin):
    settings.WEBAUTHN_RP_ID, settings.WEBAUTHN_ORIGINS = rp_id, [origin]
    assert set(found()) == {"accounts.E007"}


@pytest.mark.security(33)
@pytest.mark.parametrize(
    "rp_id",
    [
        "",
        "com",
        "127.0.0.1",
        "[::1]",
        "Example.com",
        "https://example.com",
        "example.com:443",
        "me@example.com",
        "a b.c",
    ],
)
def test_a_relying_party_id_that_is_no_domain_name_is_an_error(settings, rp_id):
    settings.WEBAUTHN_RP_ID = rp_id
    messages = [message.msg for message in run_checks(tags=["accounts"]) if message.id == "accounts.E007"]
    assert any(message.startswith(f"WEBAUTHN_RP_ID is {rp_id!r}") for message in messages)


def test_an_origin_without_https_is_an_error_in_development_too(settings):
    settings.DEBUG = True
    settings.WEBAUTHN_ORIGINS = ["http://login.example.com"]
    assert found() == ["accounts.E007"]


def test_a_wrong_origin_beside_a_right_one_is_an_error(settings):
    settings.WEBAUTHN_ORIGINS = ["https://login.example.com", "https://example.org"]
    assert found() == ["accounts.E007"]


def test_no_origin_at_all_is_an_error(settings):
    settings.WEBAUTHN_ORIGINS = []
    assert found() == ["accounts.E007"]


@pytest.mark.parametrize(
    ("setting", "bad", "good", "number"),
    [
        (
            "WEBAUTHN_USER_VERIFICATION",
            ["", "Required", "always"],
            ["required", "preferred", "discouraged"],
            "E008",
        ),
        ("WEBAUTHN_TIMEOUT", [0, 9_999, 600_001, -60_000], [10_000, 60_000, 600_000], "E008"),
        ("MFA_LOCK_AFTER_FAILURES", [-1, 0, 101], [1, 100], "E009"),
        ("TRUSTED_PROXY_COUNT", [-1, 11], [0, 1, 10], "E010"),
        ("MFA_TOTP_TOLERANCE", [-1, 2], [0, 1], "E013"),
        ("SESSION_COOKIE_AGE", [0, 86_401], [3_600, 86_400], "E014"),
    ],
)
@pytest.mark.security(4, 23, 64)
def test_values_beyond_what_we_promise_are_errors(settings, setting, bad, good, number):
    for value in bad:
        setattr(settings, setting, value)
        assert found() == [f"accounts.{number}"], value
    for value in good:
        setattr(settings, setting, value)
        assert found() == [], value


@pytest.mark.parametrize(
    "url",
    [
        "",
        "login.example.com",
        "http://login.example.com",
        "https://login.example.com/gate",
        "ftp://login.example.com",
    ],
)
def test_a_site_url_that_is_no_https_origin_is_an_error(settings, url):
    settings.SITE_URL = url
    assert set(found()) == {"accounts.E012"}


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://acme.localhost:8000"])
def test_localhost_may_do_without_https(settings, url):
    settings.SITE_URL = url
    assert found() == []


def test_development_may_do_without_https(settings):
    settings.SITE_URL, settings.DEBUG = "http://gatehouse.test:8000", True
    assert found() == []


def test_adopting_foreign_secrets_is_a_warning_while_it_lasts(settings):
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    assert found() == ["accounts.W001"]


@pytest.mark.parametrize("name", ["console", "dummy", "filebased"])
def test_mail_that_reaches_nobody_is_a_warning_outside_development(settings, name):
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{name}.EmailBackend"
    assert found() == ["accounts.W002"]
    settings.DEBUG = True
    assert found() == []


@pytest.mark.security(41)
def test_roots_that_cannot_be_read_are_an_error(settings, tmp_path):
    settings.WEBAUTHN_ATTESTATION_ROOTS = str(tmp_path / "nowhere")
    assert found() == ["accounts.E015"]
    settings.WEBAUTHN_ATTESTATION_ROOTS = str(tmp_path)
    assert found() == ["accounts.E015"]
    Maker().pin(tmp_path)
    assert found() == []
    (tmp_path / "one.pem").write_text("nothing")
    assert found() == ["accounts.E015"]


def broken_in_every_way(settings) -> list[str]:
    key = new_key()
    settings.SITE_URL = settings.WEBAUTHN_RP_ID = settings.WEBAUTHN_USER_VERIFICATION = "x"
    settings.WEBAUTHN_ATTESTATION_ROOTS = "x"
    settings.WEBAUTHN_ORIGINS = settings.MFA_SUPPORTED_TYPES = ["x"]
    settings.WEBAUTHN_TIMEOUT = settings.TRUSTED_PROXY_COUNT = settings.MFA_TOTP_TOLERANCE = -1
    settings.MFA_LOCK_AFTER_FAILURES = settings.SESSION_COOKIE_AGE = -1
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    settings.AUDIT_HMAC_KEYS = [key]
    return [PUBLISHED, key, key, SHORT, ZEROES]


@pytest.mark.security(87)
def test_no_message_shows_a_key_and_every_one_says_what_to_do(settings):
    settings.MFA_ENCRYPTION_KEYS = keys = broken_in_every_way(settings)
    messages = run_checks(tags=["accounts"])
    settings.MFA_ENCRYPTION_KEYS = []
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    messages += run_checks(tags=["accounts"])
    for message in messages:
        assert isinstance(message, Error | Warning)
        assert message.hint
        assert not any(key in str(message) for key in keys)
    of_the_database = {"accounts.W004", "accounts.W005", *(f"accounts.E0{number}" for number in range(16, 20))}
    assert {message.id for message in messages} == numbers_in_the_source() - of_the_database


def numbers_in_the_source() -> set[str]:
    source = Path(checks.__file__).read_text(encoding="utf-8")
    return {f"accounts.{number}" for number in re.findall(r"\b[EW]\d{3}\b", source)}


def test_the_command_that_mends_makes_a_key_that_passes(settings, capsys):
    settings.MFA_ENCRYPTION_KEYS = []
    call_command(*checks.NEW_KEY.removeprefix("manage.py ").split())
    settings.MFA_ENCRYPTION_KEYS = [capsys.readouterr().out.strip()]
    assert found() == []


@pytest.mark.django_db
def test_a_platform_administrator_outside_the_default_tenant_is_warned_of():
    def found_in_database() -> list[str]:
        return [one.id for one in run_checks(tags=["database"], databases=["default"])]

    AdministratorFactory(is_superuser=True)
    assert "accounts.W004" not in found_in_database()
    AdministratorFactory(tenant=TenantFactory(), is_superuser=True)
    assert found_in_database().count("accounts.W004") == 1
    [message] = checks.check_platform_administrators(databases=["default"])
    assert message.hint
    assert checks.check_platform_administrators(databases=None) == []


def of_keys() -> list[str]:
    """What the database has to say about the keys, by number."""
    messages = run_checks(tags=["database"], databases=["default"])
    keys = ("accounts.E016", "accounts.E017", "accounts.E018", "accounts.E019", "accounts.W005")
    assert all(message.hint for message in messages)
    return [message.id for message in messages if message.id in keys]


@pytest.mark.django_db
@pytest.mark.security(86)
def test_keys_are_compared_with_what_the_database_needs(settings):
    KeyCanary.objects.all().delete()
    canary.ensure()
    apps(1)
    old = settings.MFA_ENCRYPTION_KEYS[0]
    assert of_keys() == []
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    assert of_keys() == ["accounts.E016", "accounts.E017"]
    settings.MFA_ENCRYPTION_KEYS = [old]
    add_key(settings)
    new = settings.MFA_ENCRYPTION_KEYS[0]
    settings.MFA_ENCRYPTION_KEYS = [new]
    assert of_keys() == ["accounts.E017"]
    settings.MFA_ENCRYPTION_KEYS = [old, new]
    assert of_keys() == ["accounts.E018"]
    settings.MFA_ENCRYPTION_KEYS = [new, old]
    assert of_keys() == []
    rotate()
    retirement.retire(keyring.KeyRing([old]).primary_id)
    assert of_keys() == ["accounts.W005"]
    settings.MFA_ENCRYPTION_KEYS = [new]
    assert of_keys() == []


@pytest.mark.django_db
def test_comparing_keys_within_a_transaction_breaks_nothing_of_it(django_assert_max_num_queries):
    with django_assert_max_num_queries(20) as asked:
        checks.check_keys_in_use(databases=["default"])
    assert asked[0]["sql"].startswith("SAVEPOINT")


@pytest.mark.django_db(transaction=True)
def test_comparing_keys_outside_a_transaction_begins_none_that_would_wait_for_writers(django_assert_max_num_queries):
    with django_assert_max_num_queries(20) as asked:
        checks.check_keys_in_use(databases=["default"])
    assert {query["sql"].split()[0] for query in asked} == {"SELECT"}


@pytest.mark.django_db
@pytest.mark.security(86)
def test_a_primary_that_does_not_open_its_own_canary_is_an_error(settings):
    KeyCanary.objects.all().delete()
    canary.ensure()
    primary = add_key(settings)
    KeyCanary.objects.filter(key_id=primary).update(ciphertext="damaged")
    assert of_keys() == ["accounts.E019"]


@pytest.mark.django_db
def test_keys_that_are_no_ring_are_left_to_the_other_checks(settings):
    settings.MFA_ENCRYPTION_KEYS = ["nonsense"]
    assert of_keys() == []
    assert checks.check_keys_in_use(databases=None) == []
