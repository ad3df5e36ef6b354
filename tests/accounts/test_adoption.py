"""Moving in: what stock allauth and plain Fernet adapters stored is taken over, and nobody has to enrol anew."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from cryptography.fernet import Fernet
from django.urls import reverse
from django.utils import timezone

from accounts import keyring
from accounts.assurance import Method
from accounts.authenticators import recovery_codes, totp
from accounts.errors import CodeAlreadyUsed, Unreadable, WrongRecoveryCode
from accounts.flows import adoption, verification
from accounts.flows.key_work import Report
from accounts.key_errors import ForeignSecretsClosed
from accounts.models import Binding, RecoveryCode, User
from audit.kinds import Kind
from tests.accounts.sealed_scene import add_key, apps, damage, events, everybody_gets_in, new_key, stored
from tests.accounts.test_mfa_keys import Answer
from tests.factories import UserFactory, enrol_totp, live_binding, verified_client

BOTH = pytest.mark.parametrize("database", ["any", pytest.param("postgres", marks=pytest.mark.postgres)])
pytestmark = pytest.mark.django_db
SEED = "0123456789abcdef" * 5


@pytest.fixture(autouse=True)
def moving_in(settings):
    settings.MFA_ADOPT_FOREIGN_SECRETS = True


def moved(kind: str, data: dict, person: User | None = None) -> User:
    """A person with a row of stock allauth, as it comes out of another site's dump."""
    person = person or UserFactory()
    Authenticator.objects.create(user=person, type=kind, data=data, created_at=timezone.now() - timedelta(days=400))
    return person


def bare(text: str, key: str) -> str:
    """As a plain Fernet adapter writes it."""
    return Fernet(key).encrypt(text.encode()).decode()


def adopt(**options) -> Report:
    report = Report()
    list(adoption.adopt(report, **options))
    return report


def code_of(secret: str, steps: int = 1) -> str:
    return totp.code_at(secret, totp.step_at(timezone.now()) + steps)


def allauth_codes(data: dict) -> list[str]:
    """What allauth itself makes of a row; the reference."""
    with patch("allauth.mfa.recovery_codes.internal.auth.decrypt", lambda text: text):  # as its stock adapter does
        return RecoveryCodes(Authenticator(data=data)).generate_codes()


@BOTH
@pytest.mark.security(7, 85)
@pytest.mark.parametrize("stored_as", ["plain", "bare"])
def test_an_app_is_sealed_for_its_owner_and_its_codes_work(settings, database, stored_as):
    secret = totp.new_secret()
    old = new_key()
    settings.MFA_ENCRYPTION_KEYS = [*settings.MFA_ENCRYPTION_KEYS, old]
    person = moved("totp", {"secret": secret if stored_as == "plain" else bare(secret, old)})
    report = adopt()
    assert (report.total, report.done, report.unreadable, report.left) == (1, 1, 0, 0)
    binding = live_binding(person)
    assert binding.sealed_under == keyring.primary_key_id() == stored(person)[:8]
    assert binding.bound_at < timezone.now() - timedelta(days=399)
    person.refresh_from_db()
    assert person.mfa_enrolled_at is not None
    with pytest.raises(CodeAlreadyUsed):
        verification.check_code(person, Method.TOTP, code_of(secret, 0))
    verification.check_code(person, Method.TOTP, code_of(secret))
    [event] = events(Kind.AUTHENTICATOR_ADOPTED)
    assert (event.target_id, event.payload["method"]) == (str(person.pk), "totp")
    assert secret not in str(event.__dict__)


@pytest.mark.parametrize("spelling", [str.lower, lambda s: " ".join(totp.groups(s)), lambda s: s[:20]])
def test_other_spellings_and_shorter_secrets_are_taken_over_too(spelling):
    secret = totp.new_secret()
    person = moved("totp", {"secret": spelling(secret)})
    assert adopt().done == 1
    expected = totp.tidy_secret(spelling(secret))
    verification.check_code(person, Method.TOTP, code_of(expected))


@BOTH
@pytest.mark.security(9)
@pytest.mark.parametrize("stored_as", ["plain", "bare"])
def test_unused_recovery_codes_work_once_and_the_seed_is_gone(settings, database, stored_as):
    key = settings.MFA_ENCRYPTION_KEYS[0]
    person = moved("totp", {"secret": totp.new_secret()})
    codes = allauth_codes({"seed": SEED, "used_mask": 0})
    seed = SEED if stored_as == "plain" else bare(SEED, key)
    moved("recovery_codes", {"seed": seed, "used_mask": 0b101}, person)
    assert adopt().done == 2
    row = Authenticator.objects.get(user=person, type="recovery_codes")
    assert row.data == {}
    kept = RecoveryCode.objects.filter(binding__person=person)
    assert (kept.count(), kept.filter(weak=True).count()) == (8, 8)
    assert not set(kept.values_list("digest", flat=True)) & {recovery_codes.digest_of(code) for code in codes}
    for used in (codes[0], codes[2], "00000000"):
        with pytest.raises(WrongRecoveryCode):
            verification.check_code(person, Method.RECOVERY_CODE, used)
    verification.check_code(person, Method.RECOVERY_CODE, f"{codes[1][:4]} {codes[1][4:]}")
    with pytest.raises(WrongRecoveryCode):
        verification.check_code(person, Method.RECOVERY_CODE, codes[1])
    person.refresh_from_db()
    assert person.codes_left == 7


def test_codes_that_the_other_site_had_taken_over_itself_work_in_their_own_spelling(settings):
    person = moved("totp", {"secret": totp.new_secret()})
    key = settings.MFA_ENCRYPTION_KEYS[0]
    moved("recovery_codes", {"migrated_codes": ["AbCd-1234", bare("zyxw9876", key)], "used_mask": 0}, person)
    assert adopt().done == 2
    verification.check_code(person, Method.RECOVERY_CODE, "abcd1234")
    verification.check_code(person, Method.RECOVERY_CODE, "ZYXW-9876")


def test_other_counts_and_lengths_can_be_named(settings):
    settings.MFA_RECOVERY_CODE_COUNT, settings.MFA_RECOVERY_CODE_DIGITS = 5, 6
    codes = allauth_codes({"seed": SEED})
    assert (len(codes), len(codes[0])) == (5, 6)
    person = moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", {"seed": SEED, "used_mask": 0}, person)
    assert Answer("adopt", "--codes", "5", "--digits", "6").code == 0
    verification.check_code(person, Method.RECOVERY_CODE, codes[4])


def test_a_new_set_ends_the_weak_one_and_the_page_asks_for_it():
    person = moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", {"seed": SEED, "used_mask": 0}, person)
    adopt()
    Binding.objects.filter(person=person).update(bound_at=timezone.now() - timedelta(days=1))
    client = verified_client(person)
    asked = "These codes come from an older system"
    assert asked in client.get(reverse("mfa_view_recovery_codes")).content.decode()
    client.post(reverse("mfa_generate_recovery_codes"))
    assert not RecoveryCode.objects.filter(weak=True).exists()
    assert asked not in client.get(reverse("mfa_view_recovery_codes")).content.decode()


@pytest.mark.security(85)
def test_without_the_setting_nothing_opens_and_nothing_is_counted(settings):
    settings.MFA_ADOPT_FOREIGN_SECRETS = False
    moved("totp", {"secret": totp.new_secret()})
    for options in ((), ("--dry-run",)):
        answer = Answer("adopt", *options)
        assert answer.code == 2
        assert "MFA_ADOPT_FOREIGN_SECRETS=on" in answer.err
    with pytest.raises(ForeignSecretsClosed):
        adopt()
    assert not Binding.objects.exists()


def test_a_dry_run_says_what_would_come_and_changes_nothing(settings):
    person = moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", {"seed": SEED, "used_mask": 0}, person)
    moved("totp", {"secret": "no secret!"})
    before = list(Authenticator.objects.order_by("pk").values())
    answer = Answer("adopt", "--dry-run", "--json")
    assert answer.code == 1
    assert {name: answer.json[name] for name in ("total", "done", "unreadable", "left")} == {
        "total": 3,
        "done": 2,
        "unreadable": 1,
        "left": 3,
    }
    assert list(Authenticator.objects.order_by("pk").values()) == before
    assert not Binding.objects.exists()
    assert not events(Kind.KEY_ADOPTION_STARTED, Kind.KEY_SECRET_UNREADABLE)
    assert SEED not in answer.out + answer.err


@BOTH
@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("totp", {"secret": "not base32 at all 1"}, "malformed"),
        ("totp", {"secret": "JBSWY3DP"}, "malformed"),
        ("totp", {"secret": None}, "malformed"),
        ("totp", {"secret": "x$y"}, "malformed"),
        ("totp", {"secret": "gAAAAA" + "A" * 60}, "tampered"),
        ("recovery_codes", {"seed": SEED, "used_mask": 0}, "no_factor"),
    ],
)
def test_what_cannot_be_taken_over_is_left_and_told(settings, database, kind, data, reason):
    person = moved(kind, data)
    other = moved("totp", {"secret": totp.new_secret()})
    answer = Answer("adopt", "--json")
    assert answer.code == 1
    [fault] = answer.json["faults"]
    assert (fault["owner"], fault["reason"], fault["table"]) == (str(person.pk), reason, "mfa_authenticator")
    assert Authenticator.objects.get(user=person).data == data
    assert live_binding(other)
    assert events(Kind.KEY_SECRET_UNREADABLE)[-1].target_id == str(person.pk)


@pytest.mark.parametrize(
    "data", [{"seed": SEED, "used_mask": "no"}, {"migrated_codes": "abc"}, {"migrated_codes": ["!"]}, {"seed": 7}]
)
def test_sets_of_codes_that_make_no_sense_are_left_and_the_app_is_taken_over(data):
    person = moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", data, person)
    report = adopt()
    assert (report.done, report.unreadable, report.left) == (1, 1, 1)
    assert live_binding(person)


@BOTH
def test_foreign_secrets_in_rows_of_ours_are_sealed_in_place(settings, database):
    secrets = apps(3)
    one, two, three = secrets
    damage(one, secrets[one])
    damage(two, bare(secrets[two], settings.MFA_ENCRYPTION_KEYS[0]))
    old = keyring.primary_key_id()
    primary = add_key(settings)
    report = adopt()
    assert (report.total, report.done, report.left) == (2, 2, 0)
    assert everybody_gets_in(secrets)
    assert [stored(person)[:8] for person in (one, two, three)] == [primary, primary, old]


@pytest.mark.security(85)
def test_a_planted_row_opens_for_nobody_once_moving_in_is_over(settings):
    person, attacker = UserFactory(), totp.new_secret()
    enrol_totp(person)
    damage(person, attacker)
    settings.MFA_ADOPT_FOREIGN_SECRETS = False
    with pytest.raises(Unreadable):
        verification.check_code(person, Method.TOTP, code_of(attacker))


def test_a_second_run_finishes_what_a_first_began():
    people = [moved("totp", {"secret": totp.new_secret()}) for _ in range(4)]
    steps = adoption.adopt(Report())
    next(steps)
    steps.close()
    assert events(Kind.KEY_ADOPTION_FAILED)[-1].payload["reason"] == "interrupted"
    assert Binding.objects.count() == 1
    assert adopt().done == 3
    assert Binding.objects.filter(person__in=people).count() == 4
    assert len(events(Kind.AUTHENTICATOR_ADOPTED)) == 4


def test_who_has_enrolled_here_meanwhile_keeps_what_they_have():
    person = UserFactory()
    enrol_totp(person)
    mine = live_binding(person)
    Binding.objects.filter(pk=mine.pk).update(authenticator=None)
    report = adopt()
    assert (report.done, report.unreadable) == (0, 1)
    assert live_binding(person).pk == mine.pk
