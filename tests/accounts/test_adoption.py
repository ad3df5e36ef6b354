"""Moving in: what stock allauth and plain Fernet adapters stored is taken over, and nobody has to enrol anew."""

from collections.abc import Callable
from datetime import timedelta
from unittest.mock import patch

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from cryptography.fernet import Fernet
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from accounts import keyring
from accounts.assurance import Method
from accounts.authenticators import recovery_codes, totp
from accounts.errors import CodeAlreadyUsed, Unreadable, WrongRecoveryCode
from accounts.flows import adoption, verification
from accounts.flows.key_work import Report
from accounts.key_errors import ForeignSecretsClosed, KeyWorkFailed
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


def test_beginning_and_end_are_recorded():
    moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", {"seed": SEED, "used_mask": 0})
    adopt()
    started, finished = events(Kind.KEY_ADOPTION_STARTED, Kind.KEY_ADOPTION_FINISHED)
    assert (started.kind, started.payload["rows"]) == ("key:adoption_started", 2)
    assert started.payload["key"] == finished.payload["key"] == keyring.primary_key_id()
    assert finished.kind == "key:adoption_finished"
    assert {name: finished.payload[name] for name in ("done", "unreadable", "left")} == {
        "done": 1,
        "unreadable": 1,
        "left": 1,
    }
    assert not events(Kind.KEY_ADOPTION_FAILED)


def one_of_every_kind(key: str) -> None:
    """People with every kind of row: those that can be taken over, and those that cannot for any reason."""
    moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", {"seed": SEED, "used_mask": 0})  # no factor
    moved("totp", {"secret": "no secret!"})
    moved("webauthn", {"secret": totp.new_secret()})
    moved("webauthn", {"seed": SEED})
    both = moved("totp", {"secret": bare(totp.new_secret(), key)})
    moved("recovery_codes", {"seed": bare(SEED, key), "used_mask": 1}, both)
    bad_app = moved("totp", {"secret": "gAAAAA" + "A" * 60})
    moved("recovery_codes", {"seed": SEED, "used_mask": 0}, bad_app)  # no factor, as the app is not taken over
    bad_codes = moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", {"migrated_codes": ["!"]}, bad_codes)
    bound = UserFactory()
    enrol_totp(bound)
    Binding.objects.filter(person=bound).update(authenticator=None)  # already bound
    moved("recovery_codes", {"migrated_codes": ["AbCd-1234"]}, bound)
    with_codes = moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", {"seed": SEED}, with_codes)
    Binding.objects.create(person=with_codes, kind=Binding.Kind.RECOVERY_CODE)  # already bound
    in_place, planted = (UserFactory() for _ in range(2))
    damage(in_place, enrol_totp(in_place))
    damage(planted, "no secret!" if enrol_totp(planted) else "")


@BOTH
def test_a_dry_run_says_exactly_what_a_run_then_does(settings, database):
    one_of_every_kind(settings.MFA_ENCRYPTION_KEYS[0])
    dry, real = Report(), Report()
    foreseen = {fault for step in adoption.preview(dry) for fault in step.faults}
    told = {fault for step in adoption.adopt(real) for fault in step.faults}
    assert told == foreseen
    assert {fault.reason for fault in told} == {"no_factor", "already_bound", "malformed", "tampered"}
    assert (dry.total, dry.done, dry.unreadable) == (real.total, real.done, real.unreadable)
    assert (real.done, real.unreadable, real.left) == (7, 10, 10)


SPOILERS: dict[str, tuple[str, str, str, str]] = {  # table, when, what PostgreSQL does to the row, what SQLite does
    "ciphertext": (
        "mfa_authenticator",
        "UPDATE",
        "NEW.data = jsonb_set(NEW.data, '{secret}', to_jsonb(left(NEW.data->>'secret', 100)))",
        "data = json_set(NEW.data, '$.secret', substr(json_extract(NEW.data, '$.secret'), 1, 100))",
    ),
    "seed": ("mfa_authenticator", "UPDATE", "NEW.data = OLD.data", "data = OLD.data"),
    "key id": ("accounts_binding", "INSERT", "NEW.sealed_under = 'deadbeef'", "sealed_under = 'deadbeef'"),
    "digest": ("accounts_recoverycode", "INSERT", "NEW.digest = upper(NEW.digest)", "digest = upper(NEW.digest)"),
    "mark": ("accounts_recoverycode", "INSERT", "NEW.weak = false", "weak = 0"),
}


def spoil(name: str) -> Callable[[], None]:
    """Have the database store something else than it is told; returns what makes it honest again."""
    table, event, on_postgresql, on_sqlite = SPOILERS[name]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {on_postgresql}; "
                "RETURN NEW; END $$"
            )
            cursor.execute(f"CREATE TRIGGER spoil BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION spoil()")
        else:
            cursor.execute(
                f"CREATE TRIGGER spoil AFTER {event} ON {table} BEGIN "  # noqa: S608 (ours, above)
                f"UPDATE {table} SET {on_sqlite} WHERE rowid = NEW.rowid; END"
            )

    def honest() -> None:
        drop = f"DROP TRIGGER spoil ON {table}" if connection.vendor == "postgresql" else "DROP TRIGGER spoil"
        with connection.cursor() as cursor:
            cursor.execute(drop)

    return honest


@BOTH
@pytest.mark.security(85, 86)
@pytest.mark.parametrize("spoilt", SPOILERS)
def test_a_database_that_stores_something_else_is_noticed_and_nothing_is_lost(database, spoilt):
    secret = totp.new_secret()
    codes = allauth_codes({"seed": SEED})
    person = moved("totp", {"secret": secret})
    moved("recovery_codes", {"seed": SEED, "used_mask": 0}, person)
    before = list(Authenticator.objects.order_by("pk").values())
    honest = spoil(spoilt)
    with pytest.raises(KeyWorkFailed, match="does not read back"):
        adopt()
    assert list(Authenticator.objects.order_by("pk").values()) == before
    assert not Binding.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert not events(Kind.KEY_ADOPTION_FINISHED, Kind.AUTHENTICATOR_ADOPTED)
    [failed] = events(Kind.KEY_ADOPTION_FAILED)
    assert "does not read back" in failed.payload["reason"]
    assert secret not in str(failed.payload)
    honest()
    assert adopt().done == 2
    verification.check_code(person, Method.TOTP, code_of(secret))
    verification.check_code(person, Method.RECOVERY_CODE, codes[3])


@BOTH
@pytest.mark.security(85, 86)
def test_what_was_sealed_wrongly_is_noticed_although_it_stands_as_it_was_written(database, monkeypatch):
    person = moved("totp", {"secret": totp.new_secret()})
    before = Authenticator.objects.get(user=person).data
    right = keyring.KeyRing.seal
    monkeypatch.setattr(keyring.KeyRing, "seal", lambda ring, text, context: right(ring, text[::-1], context))
    with pytest.raises(KeyWorkFailed, match="does not read back"):
        adopt()
    assert Authenticator.objects.get(user=person).data == before


def meanwhile(monkeypatch, target: object, name: str, happens: Callable[[], object]) -> None:
    """Between reading and writing, something happens to the row, once."""
    real, done = getattr(target, name), []

    def first(*given):
        if not done:
            done.append(happens())
        return real(*given)

    monkeypatch.setattr(target, name, first)


@BOTH
@pytest.mark.security(86)
@pytest.mark.parametrize("kind", ["totp", "recovery_codes"])
def test_who_removes_a_row_meanwhile_wins_and_nothing_comes_back(database, monkeypatch, kind):
    person = moved("totp", {"secret": totp.new_secret()})
    if kind == "recovery_codes":
        adopt()
        moved(kind, {"seed": SEED, "used_mask": 0}, person)
    before = (Binding.objects.count(), len(events(Kind.AUTHENTICATOR_ADOPTED)))
    place = (keyring, "seal") if kind == "totp" else (recovery_codes, "weak_digest_of")
    meanwhile(monkeypatch, *place, lambda: Authenticator.objects.filter(user=person, type=kind).delete())
    report = adopt()
    assert (report.total, report.done, report.unreadable, report.left) == (1, 0, 0, 0)
    assert not Authenticator.objects.filter(user=person, type=kind).exists()
    assert (Binding.objects.count(), len(events(Kind.AUTHENTICATOR_ADOPTED))) == before
    assert not RecoveryCode.objects.exists()


@BOTH
@pytest.mark.security(86)
def test_who_changes_a_row_meanwhile_wins_and_what_it_is_now_is_taken_over(database, monkeypatch):
    person, new = moved("totp", {"secret": totp.new_secret()}), totp.new_secret()
    rows = Authenticator.objects.filter(user=person)
    meanwhile(monkeypatch, keyring, "seal", lambda: rows.update(data={"secret": new}))
    report = adopt()
    assert (report.done, report.unreadable, report.left) == (1, 0, 0)
    verification.check_code(person, Method.TOTP, code_of(new))
    assert len(events(Kind.AUTHENTICATOR_ADOPTED)) == 1


@BOTH
@pytest.mark.security(86)
def test_a_code_that_is_used_meanwhile_is_not_taken_over(database, monkeypatch):
    person = moved("totp", {"secret": totp.new_secret()})
    moved("recovery_codes", {"seed": SEED, "used_mask": 0}, person)
    codes = allauth_codes({"seed": SEED})
    rows = Authenticator.objects.filter(user=person, type="recovery_codes")
    meanwhile(
        monkeypatch, recovery_codes, "weak_digest_of", lambda: rows.update(data={"seed": SEED, "used_mask": 0b10})
    )
    assert adopt().done == 2
    with pytest.raises(WrongRecoveryCode):
        verification.check_code(person, Method.RECOVERY_CODE, codes[1])
    verification.check_code(person, Method.RECOVERY_CODE, codes[0])
