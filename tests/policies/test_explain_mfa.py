"""`manage.py explain_mfa`: readable on a terminal, right about now and about then, and changes nothing."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Binding, Tenant, User
from policies.management.commands.explain_mfa import Command, printable
from policies.models import DecidedSignIn, MFAPolicy, PolicyDraft
from tests import factories
from tests.factories import TenantFactory, UserFactory, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(name="Acme", time_zone="Europe/Berlin")


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant, email="dana@acme.example", name="Dana Set")


def explain(person: Any = "dana@acme.example", *options: str) -> str:
    out = io.StringIO()
    call_command("explain_mfa", str(person), *options, stdout=out)
    return out.getvalue()


def as_json(*options: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(explain("dana@acme.example", *options, "--json"))
    return told


def refused(status: int, person: Any, *options: str) -> str:
    """The message with which it stops, and the exit status."""
    with pytest.raises(CommandError) as refusal:
        explain(person, *options)
    assert refusal.value.returncode == status
    return str(refusal.value)


def stopped(person: User, **changes: Any) -> DecidedSignIn:
    """A sign-in of this person with a password alone, as the gate keeps it; with these columns."""
    client_of(person).get(reverse("home"))
    row = DecidedSignIn.objects.filter(person_id=person.pk).latest("id")
    DecidedSignIn.objects.filter(pk=row.pk).update(**changes)
    row.refresh_from_db()
    return row


class TestTheNextSignIn:
    def test_is_explained(self, person: User) -> None:
        told = explain()
        for said in (
            "Dana Set <dana@acme.example>, Acme\n",
            "At the next sign-in Dana would be stopped, to set up two-step verification.\n",
            "  - The policy gives Dana no time to set it up.\n",
            "  Role: User\n",
            "  Time zone: Europe/Berlin\n",
            "Decided by version 1 of the policy.\n",
            "Whom people are told to ask: the service desk\n",
        ):
            assert said in told

    def test_of_somebody_named_by_id(self, person: User) -> None:
        assert explain(person.pk) == explain(" DANA@acme.example ")

    def test_without_a_policy(self, person: User, tenant: Tenant) -> None:
        MFAPolicy.objects.filter(tenant=tenant).delete()
        told = explain()
        assert "The tenant has no policy, so nobody is let in." in told
        assert "Whom people are told to ask" not in told
        assert refused(1, person.pk, "--policy", "draft") == "The tenant has no policy."


class TestAPastSignIn:
    def test_is_the_one_at_that_time_or_the_last_before(self, person: User) -> None:
        now = timezone.now()
        first = stopped(person, at=now - timedelta(days=9), reasons=["policy_off"], outcome="allow")
        second = stopped(person, at=now - timedelta(days=5))
        at = {"at": lambda row, **more: (row.at + timedelta(**more)).isoformat()}["at"]
        assert as_json("--at", at(second))["outcome"] == "enrol"
        assert as_json("--at", at(second, seconds=-1))["outcome"] == "allow"
        assert as_json("--at", at(second, days=4))["at"] == second.at.isoformat()
        assert "No sign-in of this person at " in refused(1, person.pk, "--at", at(first, microseconds=-1))

    def test_is_told_by_what_was_known_then(self, person: User) -> None:
        stopped(person)
        factories.enrol_totp(person)
        User.objects.filter(pk=person.pk).update(role="administrator")
        told = explain("dana@acme.example", "--at", "2999-01-01")
        assert "Dana was stopped, to set up two-step verification." in told
        assert "(Europe/Berlin)\n" in told
        assert "  Role: User\n" in told
        assert "  Methods set up: none\n" in told

    def test_a_time_without_an_offset_is_the_tenants(self, person: User) -> None:
        stopped(person, at="2030-03-01T08:30:00Z")
        assert as_json("--at", "2030-03-01T09:30")["outcome"] == "enrol"
        assert refused(1, person.pk, "--at", "2030-03-01T09:29").endswith("or before is kept.")
        assert refused(1, person.pk, "--at", "2030-03-01T09:30+02:00")
        assert as_json("--at", "2030-03-01T08:30Z")["outcome"] == "enrol"

    @pytest.mark.parametrize("text", ["yesterday", "", "2030-02-31", "99999-01-01"])
    def test_of_no_time_at_all(self, person: User, text: str) -> None:
        assert refused(2, person.pk, f"--at={text}").startswith(f"“{text}” is no time in ISO 8601")

    def test_that_a_newer_version_wrote(self, person: User) -> None:
        stopped(person, facts={"schema": 99})
        assert "A newer version of this site wrote this." in refused(2, person.pk, "--at", "2999-01-01")

    def test_of_somebody_else_does_not_count(self, person: User, tenant: Tenant) -> None:
        stopped(UserFactory(tenant=tenant))
        assert "is kept" in refused(1, person.pk, "--at", "2999-01-01")


class TestAnotherPolicy:
    @pytest.fixture
    def draft(self, tenant: Tenant, person: User) -> PolicyDraft:
        document = factories.document(enforcement="optional")
        return PolicyDraft.objects.create(policy=tenant.policy, document=document, enabled=True, based_on=1, revision=1)

    def test_the_draft(self, draft: PolicyDraft) -> None:
        told = explain("dana@acme.example", "--policy", "draft")
        assert "At the next sign-in Dana would be let in" in told
        assert "Judged by the draft, as if it were published now.\n" in told
        assert as_json("--policy", "draft")["policy_version"] is None

    def test_a_draft_that_is_switched_off(self, draft: PolicyDraft) -> None:
        PolicyDraft.objects.update(document=factories.document(), enabled=False)
        assert as_json("--policy", "draft")["reasons"][-1] == "policy_off"

    def test_a_version(self, person: User, tenant: Tenant) -> None:
        factories.publish_rules(tenant, enforcement="optional")
        assert as_json()["ending"] == "passes"
        assert as_json("--policy", "1")["ending"] == "must_enrol"
        assert "Judged by version 1 of the policy." in explain("dana@acme.example", "--policy", "1")

    def test_a_document_in_a_file(self, person: User, tmp_path: Path) -> None:
        file = tmp_path / "lenient.json"
        file.write_text(json.dumps(factories.document(enforcement="optional", contact="the file")))
        told = explain("dana@acme.example", "--policy", str(file))
        assert "At the next sign-in Dana would be let in" in told
        assert "Whom people are told to ask: the file" in told

    def test_judges_the_facts_of_then(self, person: User, tenant: Tenant) -> None:
        stopped(person)
        factories.enrol_totp(person)
        factories.publish_rules(tenant, enforcement="optional")
        told = explain("dana@acme.example", "--at", "2999-01-01", "--policy", "2")
        assert "Dana would be let in." in told
        assert "  - Only a password protects the account so far.\n" in told

    def test_that_is_not_there(self, person: User) -> None:
        assert refused(1, person.pk, "--policy", "draft") == "There is no draft."
        assert refused(1, person.pk, "--policy", "99") == "There is no version 99."
        assert refused(1, person.pk, "--policy", "9" * 40)
        assert refused(2, person.pk, "--policy", "/nowhere/policy.json").startswith("The file")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", "cannot be read"),
            ("[]", "A policy is an object"),
            ('"x"', "A policy is an object"),
            (json.dumps(factories.document(grace_days=-1)), "grace_days: Give a whole number from 0 to 90."),
            (json.dumps(factories.document(more=1)), "more: There is no such rule."),
        ],
        ids=["no json", "a list", "a text", "a number out of bounds", "an unknown rule"],
    )
    def test_that_cannot_be_read(self, person: User, tmp_path: Path, text: str, said: str) -> None:
        file = tmp_path / "policy.json"
        file.write_text(text)
        assert said in refused(2, person.pk, "--policy", str(file))

    def test_of_half_a_character(self, person: User, tmp_path: Path) -> None:
        file = tmp_path / "policy.json"
        file.write_bytes(b"\xff\xfe")
        assert refused(2, person.pk, "--policy", str(file))


@pytest.mark.parametrize("who", ["nobody@acme.example", "x", "00000000-0000-4000-8000-000000000000", ""])
def test_nobody_is_told_so(who: str) -> None:
    assert refused(1, who).startswith("There is nobody with the mail address or id")


def test_it_fits_a_terminal(person: User, tenant: Tenant) -> None:
    User.objects.filter(pk=person.pk).update(name="Maximiliane " * 12)
    factories.enrol_totp(person)
    Binding.objects.update(name="The telephone with the very long name " * 2)
    factories.publish_rules(tenant, contact="whoever is at the desk on the second floor of the building " * 3)
    assert max(map(len, explain().splitlines())) <= 80
    assert max(map(len, Command.examples.splitlines() + Command.help.splitlines())) <= 80


@pytest.mark.security(88)
def test_no_name_moves_the_cursor(person: User) -> None:
    User.objects.filter(pk=person.pk).update(name="Dana \x1b[2J\x07\u202eSet")
    told = explain()
    assert not set("\x1b\x07\u202e") & set(told)
    assert printable("a\x1bb") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.security(87)
def test_no_secret_is_told(person: User) -> None:
    secret = factories.enrol_totp(person)
    codes = factories.enrol_recovery_codes(person)
    told = explain() + explain("dana@acme.example", "--json")
    assert secret not in told
    assert not any(code in told for code in codes)
    assert person.password not in told


def test_it_only_reads(person: User, tenant: Tenant) -> None:
    stopped(person)
    with CaptureQueriesContext(connection) as asked:
        explain()
        explain("dana@acme.example", "--at", "2999-01-01", "--policy", "1")
    assert all(query["sql"].lstrip().startswith("SELECT") for query in asked)
    assert len(asked) < 15


def test_programs_get_codes_and_sentences(person: User) -> None:
    told = as_json()
    assert (told["email"], told["tenant"], told["outcome"], told["ending"]) == (
        person.email,
        person.tenant.slug,
        "enrol",
        "must_enrol",
    )
    assert told["reasons"] == ["nothing_enrolled", "factor_required", "no_grace"]
    assert told["satisfied_by"] == ["webauthn", "totp"]
    assert told["facts"]["role"] == "user"
    assert told["policy_version"] == 1
    assert told["explanation"]["outcome"].startswith("At the next sign-in Dana")
