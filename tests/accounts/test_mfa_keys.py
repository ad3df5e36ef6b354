"""`manage.py mfa_keys`: what each word says, with which exit code, and that no secret is among it."""

import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.apps import apps as installed
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError

from accounts import canary, keyring
from accounts.flows import enrolment, key_work
from accounts.management.commands.mfa_keys import WORDS
from accounts.management.key_commands import told
from accounts.models import Binding, KeyCanary, PendingEnrolment
from audit.kinds import Kind
from tests.accounts.sealed_scene import add_key, apps, damage, events, id_of, new_key, rotate, stored, under
from tests.factories import UserFactory, session_of

pytestmark = pytest.mark.django_db


class Answer:
    """What the command said, and its exit code."""

    def __init__(self, *arguments: str) -> None:
        out, err = StringIO(), StringIO()
        self.code = 0
        try:
            call_command("mfa_keys", *arguments, stdout=out, stderr=err)
        except SystemExit as end:
            self.code = end.code
        except CommandError as refusal:
            self.code = refusal.returncode
            err.write(str(refusal))
        self.out, self.err = out.getvalue(), err.getvalue()

    @property
    def json(self):
        return json.loads(self.out)


def test_a_new_key_is_printed_with_where_to_put_it_and_logged_nowhere(caplog, settings):
    caplog.set_level("DEBUG")
    answer = Answer("generate")
    key = answer.out.strip()
    assert Fernet(key)
    assert id_of(key) in answer.err
    for place in ("MFA_ENCRYPTION_KEYS=", "docker-compose.yml", "MFA_ENCRYPTION_KEYS_FILE="):
        assert place in answer.err
    assert key not in caplog.text + answer.err
    assert key not in settings.MFA_ENCRYPTION_KEYS
    made = Answer("generate", "--json").json
    assert made["id"] == id_of(made["key"])
    assert "MFA_ENCRYPTION_KEYS=<new key>,<old keys>" in made["where_to_put_it"].values()
    assert "mfa_keys rotate" in made["then"]


def test_a_key_can_be_made_while_there_is_none(settings):
    settings.MFA_ENCRYPTION_KEYS = []
    assert Fernet(Answer("generate").out.strip())


def test_every_word_has_help_with_examples(capsys):
    for word in WORDS:
        with pytest.raises(SystemExit) as end:
            call_command("mfa_keys", word, "--help")
        assert end.value.code == 0
        shown = capsys.readouterr().out
        assert "Examples:" in shown
        assert "Exit codes:" in shown
        assert "--json" in shown


@pytest.mark.security(86)
def test_status_says_what_hangs_on_which_key_and_which_may_go(settings, clock):
    old = keyring.primary_key_id()
    secrets = apps(3)
    clock.forward(timedelta(days=2))
    first, *_rest = secrets
    primary = add_key(settings)
    document = (before := Answer("status", "--json")).json
    assert before.code == 1
    assert [(key["id"], key["role"], key["canary"], key["may_retire"]) for key in document["keys"]] == [
        (primary, "primary", True, False),
        (old, "decrypt-only", True, False),
    ]
    tally = document["keys"][1]["rows"]["authenticator apps"]
    assert (tally["rows"], tally["oldest"] <= tally["newest"]) == (3, True)
    assert "3 rows need it" in document["keys"][1]["hint"]
    rotate()
    after = Answer("status")
    assert after.code == 0
    assert f"{primary}  primary, canary ok" in after.out
    assert "3  authenticator apps, sealed " in after.out
    assert "Nothing needs it: mfa_keys retire may go on." in after.out
    assert stored(first)[9:] not in after.out
    assert Answer("status", "--json").json["keys"][1]["may_retire"] is True


@pytest.mark.security(86)
def test_status_names_keys_that_are_needed_and_absent(settings):
    apps(2)
    old = keyring.primary_key_id()
    add_key(settings)
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[:1]
    answer = Answer("status")
    assert answer.code == 1
    assert f"{old}  missing, canary does not open" in answer.out
    assert "2 rows need it: put it back" in answer.out
    assert canary.needed_but_absent() == [old]


@pytest.mark.security(7, 87)
def test_status_counts_what_another_site_left_and_shows_none_of_it(settings):
    secrets = list(apps(4))
    bare = Fernet(settings.MFA_ENCRYPTION_KEYS[0]).encrypt(b"JBSWY3DPEHPK3PXP").decode()
    damage(secrets[0], "JBSWY3DPEHPK3PXP")
    damage(secrets[1], bare)
    damage(secrets[2], "")
    Binding.objects.filter(person=secrets[3]).update(sealed_under="deadbeef")
    stranger = apps(1)
    Binding.objects.filter(person__in=stranger).delete()
    answer = Answer("status")
    for words in (
        "1  authenticator apps stand in plain text",
        "1  authenticator apps are bare Fernet tokens",
        "1  authenticator apps hold nothing",
        "1  authenticator apps name another key",
        "1  allauth's totp wait for mfa_keys adopt: 0 in plain text, 0 as bare Fernet tokens",
    ):
        assert words in answer.out
    assert answer.code == 1
    assert "JBSWY3DP" not in answer.out + Answer("status", "--json").out
    assert bare not in answer.out


@pytest.mark.parametrize("database", ["any", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_status_tells_plain_text_and_bare_tokens_apart_among_allauths_own_rows(settings, database):
    bare = Fernet(settings.MFA_ENCRYPTION_KEYS[0]).encrypt(b"JBSWY3DPEHPK3PXP").decode()
    plain = "JBSWY3DPEHPK3PXP"
    kept = {
        "totp": [{"secret": plain}, {"secret": bare}, {"secret": plain}],
        "recovery_codes": [{"seed": bare, "used_mask": 0}, {"migrated_codes": [plain, plain]}, {"migrated_codes": []}],
    }
    people = list(apps(3))
    Binding.objects.all().delete()
    Authenticator.objects.all().delete()
    for kind, documents in kept.items():
        rows = zip(people, documents, strict=True)
        Authenticator.objects.bulk_create(Authenticator(user=who, type=kind, data=data) for who, data in rows)
    document = (answer := Answer("status", "--json")).json
    assert document["not_adopted"] == {"recovery_codes": 3, "totp": 3}
    assert document["foreign"]["allauth's totp"] == {"plaintext": 2, "bare": 1, "lost": 0}
    assert document["foreign"]["allauth's recovery_codes"] == {"plaintext": 1, "bare": 1, "lost": 1}
    assert "3  allauth's totp wait for mfa_keys adopt: 2 in plain text, 1 as bare" in Answer("status").out
    assert (answer.code, document["done"]) == (1, False)
    assert "JBSWY3DP" not in answer.out


@pytest.mark.security(86)
@pytest.mark.parametrize("hindrance", ["column", "another site", "order", "canary"])
def test_status_says_that_a_key_may_go_if_and_only_if_retire_lets_it(settings, hindrance):
    people = list(apps(2))
    old = keyring.primary_key_id()
    primary = add_key(settings)
    rotate()
    assert may_go(old)
    assert Answer("retire", old, "--dry-run").code == 0
    if hindrance == "column":
        Binding.objects.filter(person=people[0]).update(sealed_under=old)
    elif hindrance == "another site":
        damage(people[0], "JBSWY3DPEHPK3PXP")
        Binding.objects.filter(person=people[1]).delete()
        Authenticator.objects.filter(user=people[1]).update(data={"secret": "JBSWY3DPEHPK3PXP"})
    elif hindrance == "order":
        settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[::-1]
        old = primary
        rotate(backwards=True)
    else:
        KeyCanary.objects.filter(key_id=primary).update(ciphertext="damaged")
    refusal = Answer("retire", old, "--dry-run")
    assert (refusal.code, may_go(old)) == (2, False)
    [key] = [key for key in Answer("status", "--json").json["keys"] if key["id"] == old]
    assert key["why_not"] == refusal.err
    assert f"Not to be retired yet: {refusal.err}" in Answer("status").out


def may_go(key_id: str) -> bool:
    return {key["id"]: key["may_retire"] for key in Answer("status", "--json").json["keys"]}[key_id]


def test_status_of_a_wrong_key_says_so_and_changes_nothing(settings):
    apps(1)
    before = list(KeyCanary.objects.values())
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    answer = Answer("status")
    assert (answer.code, "The key canary is unreadable." in answer.out) == (1, True)
    assert list(KeyCanary.objects.values()) == before


@pytest.mark.security(86)
def test_verify_opens_every_row_and_reports_each_that_does_not(settings):
    secrets = list(apps(5))
    assert (Answer("verify").code, events(Kind.KEY_VERIFIED)[-1].payload["opened"]) == (0, 5)
    copied = damage(secrets[0], stored(secrets[1]))
    plain = damage(secrets[2], "JBSWY3DPEHPK3PXP")
    Binding.objects.filter(person=secrets[3]).update(sealed_under="deadbeef")
    answer = Answer("verify")
    assert answer.code == 1
    assert "2 opened, 3 did not" in answer.out
    where = f"row {copied.pk} of accounts_binding (ciphertext in mfa_authenticator {copied.authenticator_id})"
    assert f"{where}, owner {secrets[0].pk}" in answer.err
    assert f"row {plain.pk}" in answer.err
    assert "misfiled" in answer.err
    assert "JBSWY3DP" not in answer.err + answer.out
    assert len(events(Kind.KEY_SECRET_UNREADABLE)) == 3
    document = Answer("verify", "--json").json
    assert {fault["reason"] for fault in document["faults"]} == {"wrong_context", "foreign", "misfiled"}
    assert set(document["faults"][0]) == {"place", "table", "row", "owner", "key_id", "reason", "home"}


@pytest.mark.security(86)
@pytest.mark.parametrize("word", ["verify", "rotate"])
def test_a_row_that_is_told_is_found_in_the_table_that_is_told(settings, word):
    tables = {model._meta.db_table: model for model in installed.get_models()}
    pending, person, stranger = UserFactory(), *apps(2)
    enrolment.begin_totp(pending, session_of(pending))
    PendingEnrolment.objects.update(sealed="")
    damage(person, "")
    Binding.objects.filter(person=stranger).delete()
    add_key(settings)
    faults = Answer(word, "--json").json["faults"]
    named = [(fault["table"], fault["row"]) for fault in faults]
    assert {table for table, _row in named} >= {"accounts_binding", "accounts_pendingenrolment"}
    assert all(tables[table].objects.filter(pk=row).exists() for table, row in named)
    homes = [fault["home"].split() for fault in faults if fault["home"]]
    assert [(table, tables[table].objects.get(pk=row).user) for table, row in homes] == [("mfa_authenticator", person)]
    alarms = [event.payload for event in events(Kind.KEY_SECRET_UNREADABLE)]
    assert {(alarm["table"], alarm["row"]) for alarm in alarms} == set(named)


def test_verify_reports_what_nothing_of_ours_takes_care_of(settings):
    [person] = apps(1)
    Binding.objects.all().delete()
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    answer = Answer("verify")
    assert answer.code == 1
    assert f"of mfa_authenticator, owner {person.pk}: not_adopted" in answer.err
    assert Authenticator.objects.count() == 1


@pytest.mark.security(86)
def test_rotate_says_what_it_did_and_dry_run_changes_nothing(settings):
    secrets = apps(3)
    old = keyring.primary_key_id()
    primary = add_key(settings)
    dry = Answer("rotate", "--dry-run")
    assert (dry.code, "3 rows are not under the first key" in dry.out, under(secrets)) == (0, True, {old})
    assert not events(Kind.KEY_ROTATION_STARTED)
    answer = Answer("rotate", "--batch", "2")
    assert (answer.code, under(secrets)) == (0, {primary})
    assert "authenticator apps: 2 of 3" in answer.out
    assert "3 sealed anew, 0 do not open, 0 left" in answer.out
    assert Answer("rotate", "--json").json == {"total": 0, "done": 0, "unreadable": 0, "left": 0, "faults": []}


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.security(86)
def test_on_a_terminal_a_bar_shows_how_far_it_is_how_fast_and_how_long_it_takes(settings, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    apps(4)
    add_key(settings)
    out = Terminal()
    call_command("mfa_keys", "rotate", "--batch", "2", stdout=out)
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue()).replace("\r", "\n").splitlines()
    bars = [line for line in lines if line.startswith("Secrets")]
    assert any(re.fullmatch(r"Secrets \S+ +4/4 [\d,]+/s \d+:\d\d:\d\d ?", line.rstrip(" ")) for line in bars), bars
    assert "4 sealed anew, 0 do not open, 0 left" in lines
    assert not [line for line in lines if line.startswith("authenticator apps:")]


@pytest.mark.security(86)
def test_without_a_terminal_there_is_a_line_for_each_batch_and_no_bar(settings):
    apps(5)
    add_key(settings)
    answer = Answer("rotate", "--batch", "2")
    *batches, last = answer.out.splitlines()
    told_of = [re.fullmatch(r"authenticator apps: (\d) of 5, [\d,]+/s", line) for line in batches]
    assert [found and found[1] for found in told_of] == ["2", "4", "5"]
    assert last == "5 sealed anew, 0 do not open, 0 left"
    assert "Secrets" not in answer.out and "\x1b" not in answer.out


def test_a_dry_run_with_a_key_nobody_has_seen_yet_leaves_no_canary(settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), *settings.MFA_ENCRYPTION_KEYS]
    before = KeyCanary.objects.count()
    Answer("rotate", "--dry-run")
    assert KeyCanary.objects.count() == before


def test_rotate_exits_non_zero_while_something_is_left(settings):
    damage(next(iter(apps(2))), "")
    add_key(settings)
    answer = Answer("rotate")
    assert answer.code == 1
    assert "1 sealed anew, 1 do not open, 1 left" in answer.out
    assert "malformed" in answer.err


@pytest.mark.parametrize("fault", ["wrong key", "no ring", "wrong order"])
def test_what_cannot_be_begun_is_refused_with_what_mends_it(settings, fault):
    apps(1)
    if fault == "wrong order":
        add_key(settings)
        settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[::-1]
    else:
        settings.MFA_ENCRYPTION_KEYS = [new_key()] if fault == "wrong key" else ["nonsense"]
    answer = Answer("rotate")
    assert answer.code == 2
    assert "MFA_ENCRYPTION_KEYS" in answer.err
    assert not any(key in answer.err for key in settings.MFA_ENCRYPTION_KEYS)


@pytest.mark.parametrize("number", ["0", "33", "two", "1.5", "-1"])
def test_wrong_arguments_are_refused(number):
    with pytest.raises(CommandError, match="a whole number from 1 to 32"):
        call_command("mfa_keys", "rotate", "--workers", number)


@pytest.mark.parametrize("words", [["status"], ["retire", "deadbeef"], ["rotate"], ["adopt"], ["verify"]])
def test_a_refusal_is_told_in_json_too(settings, words):
    settings.MFA_ENCRYPTION_KEYS = ["nonsense"] if words[0] in {"status", "verify"} else [new_key()]
    answer = Answer(*words, "--json")
    assert answer.code == 2
    codes = {"adopt": "foreign_secrets_closed", "status": "misconfigured_keys", "verify": "misconfigured_keys"}
    assert answer.json["error"] == {"code": codes.get(words[0], "wrong_keys"), "message": answer.err}


@pytest.mark.parametrize("word", ["rotate", "verify"])
def test_what_was_found_before_it_broke_off_is_told_in_json(settings, monkeypatch, word):
    [person] = apps(1)
    damage(person, "")
    add_key(settings)

    steps = [key_work.Step("apps", 3, (fault_of(person),))]
    broken = {"rotate": "accounts.flows.rotation._steps", "verify": "accounts.flows.secret_check._not_adopted"}[word]

    def breaks_off(*args):
        yield from steps if word == "rotate" else ()
        raise OperationalError("the connection is gone")

    monkeypatch.setattr(broken, breaks_off)
    answer = Answer(word, "--json")
    assert answer.code == 3
    document = answer.json
    assert document["error"]["code"] == {"rotate": "broke_off", "verify": "database_failed"}[word]
    assert [fault["owner"] for fault in document["faults"]] == [str(person.pk)]
    assert (document["unreadable"], "left" in document) == (1, False)


def test_in_json_every_row_that_does_not_open_is_told_however_many_there_are():
    command, report, number = BaseCommand(stdout=StringIO()), key_work.Report(unreadable=key_work.ALARMS), 10_050
    faults = tuple(key_work.Fault("apps", "t", str(one), "", "", "malformed") for one in range(number))
    answer = told.Answer(command, in_json=True)
    answer.follow((report.add(key_work.Step("apps", 0, (one,))) for one in faults), report)
    answer.tell(told.counted(report), "words for people")
    document = json.loads(command.stdout._out.getvalue())
    assert [fault["row"] for fault in document["faults"]] == [fault.row for fault in faults]
    assert document["unreadable"] == key_work.ALARMS + number


def fault_of(person) -> key_work.Fault:
    binding = Binding.objects.get(person=person)
    return key_work.Fault("apps", "accounts_binding", str(binding.pk), str(person.pk), "", "malformed")


def test_the_same_row_is_told_once_however_often_it_is_met():
    [person] = apps(1)
    binding = damage(person, "")
    fault = key_work.Fault("apps", "accounts_binding", str(binding.pk), str(person.pk), "", "malformed")
    report = key_work.Report()
    new = [report.add(key_work.Step("apps", 0, (fault,))).faults for _ in range(3)]
    assert new == [(fault,), (), ()]
    assert report.unreadable == 1
    assert len(events(Kind.KEY_SECRET_UNREADABLE)) == 1
