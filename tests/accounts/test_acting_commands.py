"""Commands that act on accounts: the same flow and rules as the pages, and nothing is proved by a shell."""

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
import time_machine
from django.core.management import CommandError, call_command, get_commands
from django.utils import timezone

from accounts.models import Binding, Intervention, User
from tests.accounts import acts_scene
from tests.accounts.acts_scene import approve, events, settled_administrator
from tests.factories import TenantFactory, UserFactory, enrol_recovery_codes, enrol_totp, live_binding

pytestmark = [pytest.mark.django_db, pytest.mark.security(54, 55, 59)]
SAID = ("--reason", "The phone was stolen.", "--verified-how", "video")
COMMANDS = ("reset_mfa", "changepassword")


@pytest.fixture
def ada() -> User:
    return settled_administrator(tenant=TenantFactory(), email="ada@acme.example")


@pytest.fixture
def dana(ada: User) -> User:
    dana = UserFactory(tenant=ada.tenant, email="dana@acme.example")
    enrol_totp(dana)
    enrol_recovery_codes(dana)
    return dana


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def refused(command: str, *arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(command, *arguments)
    return caught.value


def test_a_reset_is_done_and_the_record_says_that_it_was_by_command(ada, dana):
    assert "Done." in run("reset_mfa", "Dana@acme.example", "--as", str(ada), *SAID, "--ticket", "T-1")
    assert not dana.bindings.filter(unbound_at=None).exists()
    (asked,) = events("intervention:asked")
    assert (asked.actor_id, asked.payload["by_command"], asked.payload["ticket"]) == (str(ada.pk), True, "T-1")
    assert events("mfa:reset")[0].payload["reason"] == "The phone was stolen."


def test_one_authenticator_alone(ada, dana):
    key = Binding.objects.create(person=dana, kind=Binding.Kind.WEBAUTHN, name="Blue key")
    run("reset_mfa", str(dana), "--as", str(ada), *SAID, "--authenticator", str(key.pk))
    key.refresh_from_db()
    assert key.unbound_reason == "removed_by_administrator"
    assert live_binding(dana)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_dry_run_says_what_would_happen_and_changes_nothing(ada, dana, command):
    said = run(command, str(dana), "--as", str(ada), *SAID, "--dry-run")
    assert "it is done at once" in said
    if command == "reset_mfa":
        assert "would remove: Authenticator app" in said and "would remove: 10 recovery codes" in said
    assert not Intervention.objects.exists()
    assert live_binding(dana) and dana.has_usable_password()


@pytest.mark.parametrize("command", COMMANDS)
def test_an_administrator_s_account_is_only_asked_for(ada, command):
    boss = settled_administrator(tenant=ada.tenant)
    enrol_totp(boss)
    assert "a second administrator has to agree" in run(command, str(boss), "--as", str(ada), *SAID, "--dry-run")
    assert "A second administrator has to agree" in run(command, str(boss), "--as", str(ada), *SAID)
    assert Intervention.objects.get().state == Intervention.State.ASKED
    act = approve(Intervention.objects.get(), settled_administrator(tenant=ada.tenant))
    assert act.state == Intervention.State.WAITING
    assert "asked for this already" in str(refused(command, str(boss), "--as", str(ada), *SAID))


def test_what_waits_is_said_with_its_time(ada, dana):
    acts_scene.rules(dana, wait_hours=3)
    with time_machine.travel("2030-01-01 12:00:00+00:00", tick=False):
        assert "It is done after 2030-01-01 15:00 UTC" in run("changepassword", str(dana), "--as", str(ada), *SAID)


def test_django_s_changepassword_is_replaced(ada, dana):
    assert get_commands()["changepassword"] == "accounts"
    assert "Done." in run("changepassword", str(dana), "--as", str(ada), *SAID)
    dana.refresh_from_db()
    assert not dana.has_usable_password()
    with pytest.raises(CommandError):
        call_command("changepassword", str(dana))


@pytest.mark.security(84)
@pytest.mark.parametrize("command", COMMANDS)
def test_another_tenant_s_people_are_not_there(ada, command):
    """The same words, whether or not somebody has the address; nothing tells a tenant who is in another."""
    theirs = UserFactory(tenant=TenantFactory(), email="them@other.example")
    enrol_totp(theirs)
    said = [
        refused(command, address, "--as", str(ada), *SAID, *more)
        for address in ("them@other.example", "nobody@other.example")
        for more in ((), ("--dry-run",))
    ]
    assert {str(one).replace("nobody@", "them@") for one in said} == {
        "There is nobody with the mail address “them@other.example”."
    }
    assert {one.returncode for one in said} == {2}
    assert live_binding(theirs)


@pytest.mark.security(84)
def test_another_s_authenticator_is_not_there(ada, dana):
    theirs = UserFactory(tenant=TenantFactory())
    enrol_totp(theirs)
    for one in (live_binding(theirs).pk, uuid4()):
        assert refused("reset_mfa", str(dana), "--as", str(ada), *SAID, "--authenticator", str(one)).returncode == 2
    assert live_binding(theirs) and live_binding(dana)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("who", ["nobody", "user", "switched off", "self", "superior"])
def test_only_who_answers_for_the_person_acts(ada, dana, command, who):
    actor, person = str(ada), str(dana)
    match who:
        case "nobody":
            actor = "nobody@acme.example"
        case "user":
            actor = str(UserFactory(tenant=ada.tenant))
        case "switched off":
            actor = str(settled_administrator(tenant=ada.tenant, is_active=False))
        case "self":
            person = actor
        case "superior":
            person = str(UserFactory(tenant=ada.tenant, is_superuser=True))
    for more in ((), ("--dry-run",)):
        assert refused(command, person, "--as", actor, *SAID, *more).returncode in (1, 2)
    assert not Intervention.objects.exists()
    assert live_binding(dana)


def test_words_are_needed(ada, dana):
    assert refused("reset_mfa", str(dana), "--as", str(ada), "--reason", " ", "--verified-how", "video").returncode == 1
    for missing in (
        ("--reason", "x"),
        ("--verified-how", "video"),
        ("--reason", "x", "--verified-how", "caller_check"),
    ):
        with pytest.raises(CommandError):
            run("reset_mfa", str(dana), "--as", str(ada), *missing)
    assert live_binding(dana)


def test_consent_in_the_administration_lets_the_worker_do_what_a_command_asked_for(ada):
    boss = settled_administrator(tenant=ada.tenant)
    enrol_totp(boss)
    run("reset_mfa", str(boss), "--as", str(ada), *SAID)
    approve(Intervention.objects.get(), settled_administrator(tenant=ada.tenant))
    with time_machine.travel(timezone.now() + timedelta(hours=25), tick=False):
        acts_scene.settle()
    assert Intervention.objects.get().state == Intervention.State.DONE
