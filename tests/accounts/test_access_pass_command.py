"""`manage.py access_pass`: the same flow, the pass once and alone on standard output, nothing in a log."""

import logging
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.authenticators import access_passes as codes
from accounts.flows import access_passes
from accounts.models import AccessPass, Intervention, User
from tests.accounts.acts_scene import approve, settled_administrator
from tests.accounts.admission_scene import events, fresh, guard
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, enrol_totp, session_of

pytestmark = pytest.mark.django_db
WORD = ("--reason", "The mailbox is gone, too.", "--verified-how", "video")


@pytest.fixture
def actor() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.fixture
def person(actor: User) -> User:
    person = UserFactory(tenant=actor.tenant)
    guard(person, actor)
    return person


def run(person: User | str, actor: User | str, *more: str) -> tuple[str, str]:
    """What it wrote to standard output, and to standard error."""
    out, err = StringIO(), StringIO()
    call_command("access_pass", str(person), "--as", str(actor), *WORD, *more, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


@pytest.mark.security(87)
def test_the_pass_stands_alone_on_standard_output_and_works(person, actor, caplog):
    with caplog.at_level(logging.DEBUG):
        out, err = run(person, actor, "--minutes", "20")
    symbols = codes.normalise(out.strip())
    assert symbols is not None and out.count("\n") == 1
    assert "Done." in err and out.strip() not in err
    assert out.strip() not in caplog.text
    asked, (seen,) = events("intervention:asked")[-1], events("access_pass:shown")
    assert asked.payload["by_command"] is True
    assert (seen.actor_id, seen.target_id) == (str(actor.pk), str(person.pk))
    assert AccessPass.objects.get().intervention.minutes == 20
    access_passes.redeem(person, session_of(person), out.strip())


def test_a_dry_run_says_what_it_takes_and_changes_nothing(person, actor):
    out, _err = run(person, actor, "--dry-run")
    assert "good for 60 minutes" in out and "it is done at once" in out
    assert not AccessPass.objects.exists()
    assert not Intervention.objects.filter(kind=Intervention.Kind.ACCESS_PASS).exists()


@pytest.mark.security(55)
def test_for_an_administrator_it_only_asks_and_prints_nothing(actor):
    boss = AdministratorFactory(tenant=actor.tenant)
    requester, approver = settled_administrator(tenant=actor.tenant), settled_administrator(tenant=actor.tenant)
    out, err = run(boss, requester)
    assert out == "" and "A second administrator has to agree" in err
    assert not AccessPass.objects.exists()
    approve(Intervention.objects.get(person=boss), approver)
    held = AccessPass.objects.get()
    assert held.hashed == ""
    assert codes.normalise(access_passes.show(held, actor=requester, session=fresh(requester)))


@pytest.mark.parametrize("minutes", ["0", "9", "1441", "-5", "99999999999999999999"])
def test_a_lifetime_out_of_bounds_is_refused(person, actor, minutes):
    with pytest.raises(CommandError, match="10 minutes at least") as refused:
        run(person, actor, f"--minutes={minutes}")
    assert refused.value.returncode == 1
    assert not AccessPass.objects.exists()


@pytest.mark.security(49, 84)
def test_the_rules_are_those_of_the_pages(person, actor):
    owner = UserFactory(tenant=actor.tenant)
    enrol_totp(owner)
    with pytest.raises(CommandError, match="has a method"):
        run(owner, actor)
    stranger = UserFactory(tenant=TenantFactory())
    with pytest.raises(CommandError) as hidden:
        run(stranger, actor)
    with pytest.raises(CommandError) as nobody:
        run("nobody@example.com", actor)
    assert hidden.value.returncode == nobody.value.returncode == 2
    assert str(hidden.value) == str(nobody.value).replace("nobody@example.com", stranger.email)
    with pytest.raises(CommandError, match="You may not do this"):
        run(actor, actor)
    with pytest.raises(CommandError, match="no active administrator"):
        run(person, person)
    assert not AccessPass.objects.exists()
