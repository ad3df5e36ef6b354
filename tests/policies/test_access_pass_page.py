"""The page of an access pass: shown once, to who asked, in the answer that makes it; revoked by any who answers."""

import re

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.flows import access_passes
from accounts.models import AccessPass, Session, User
from tests.accounts import acts_scene
from tests.accounts.admission_scene import events, guard, issued
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, session_of, verified_client
from tests.policies.admin_scene import stale_client

pytestmark = pytest.mark.django_db
CODE = re.compile(r">([2-9a-z]{4}-[2-9a-z]{4}-[2-9a-z]{4})<")


@pytest.fixture
def person(administrator: User) -> User:
    person = UserFactory(tenant=administrator.tenant)
    guard(person, administrator)
    return person


def page(person: User) -> str:
    return reverse("admin:accounts_user_show_pass", args=[person.pk])


def characters(body: str) -> list[str]:
    return CODE.findall(body)


@pytest.mark.security(14)
def test_it_is_in_the_answer_to_one_post_and_never_again(client: Client, administrator: User, person: User) -> None:
    issued(person, administrator, minutes=30)
    before = client.get(page(person)).content.decode()
    assert "Show the pass" in before and "good for 30 minutes" in before and not characters(before)
    answer = client.post(page(person), {"do": "show"})
    (code,) = characters(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    after = client.get(page(person)).content.decode()
    assert "Shown, and not used yet" in after and not characters(after)
    again = client.post(page(person), {"do": "show"}, follow=True).content.decode()
    assert "This pass cannot be shown any more" in again and not characters(again)
    assert code not in str(list(Session.objects.values()))
    access_passes.redeem(person, session_of(person), code)
    assert ">Used<" in re.sub(r"\s+<", "<", re.sub(r">\s+", ">", client.get(page(person)).content.decode()))


def test_a_colleague_sees_that_it_is_there_and_is_not_shown_it(administrator: User, person: User) -> None:
    issued(person, administrator)
    colleague = verified_client(AdministratorFactory(tenant=administrator.tenant))
    body = colleague.get(page(person)).content.decode()
    assert str(administrator) in body and "Show the pass" not in body
    answer = colleague.post(page(person), {"do": "show"}, follow=True).content.decode()
    assert "You may not do this." in answer and not characters(answer)
    assert AccessPass.objects.get().hashed == ""
    assert "The pass is revoked." in colleague.post(page(person), {"do": "revoke"}, follow=True).content.decode()
    assert events("access_pass:revoked")[0].payload["reason"] == "by_administrator"


@pytest.mark.security(51)
def test_it_takes_a_fresh_factor(administrator: User, person: User) -> None:
    issued(person, administrator)
    client = stale_client(AdministratorFactory(tenant=administrator.tenant))
    for ask in (client.get, client.post):
        assert ask(page(person), {"do": "show"})["Location"].startswith(reverse("mfa_reauthenticate"))
    assert AccessPass.objects.get().hashed == ""


@pytest.mark.security(84)
def test_another_tenants_person_has_no_such_page(administrator: User, person: User) -> None:
    issued(person, administrator)
    stranger = verified_client(AdministratorFactory(tenant=TenantFactory()))
    for ask in (stranger.get, stranger.post):
        for do in ("show", "revoke"):
            assert ask(page(person), {"do": do}).status_code == 404
    held = AccessPass.objects.get()
    assert (held.hashed, held.revoked_at) == ("", None)


@pytest.mark.security(84)
def test_a_platform_administrator_is_no_name_to_a_tenant(administrator: User, person: User, client: Client) -> None:
    root = AdministratorFactory(email="root@platform.example", is_superuser=True)
    issued(person, root)
    assert "root@platform.example" not in client.get(page(person)).content.decode()


@pytest.mark.parametrize("do", ["", "steal", "\x00"])
def test_nothing_else_can_be_done_with_it(client: Client, administrator: User, person: User, do: str) -> None:
    issued(person, administrator)
    assert client.post(page(person), {"do": do}).status_code in (302, 400)
    held = AccessPass.objects.get()
    assert (held.hashed, held.revoked_at) == ("", None)


def test_there_may_be_none(client: Client, person: User) -> None:
    assert "There is none." in client.get(page(person)).content.decode()
    assert client.post(page(person), {"do": "show"}).status_code == 302


def test_one_that_ran_out_says_so(administrator: User, person: User) -> None:
    held = issued(person, administrator)
    assert access_passes.state_of(held, timezone.now()) == "unseen"
    with time_machine.travel(held.expires_at, tick=False):
        assert access_passes.state_of(held, timezone.now()) == "over"
        access_passes.lapse(timezone.now())
        held.refresh_from_db()
        assert access_passes.state_of(held, timezone.now()) == "over"


def test_from_asking_for_it_to_reading_it_out(client: Client, administrator: User, person: User) -> None:
    """The act is asked for on one page, leads to the next, and is gone from there once it was shown."""
    ask = reverse("admin:accounts_user_access_pass", args=[person.pk])
    said = {"reason": "The mailbox is gone.", "verified_how": "video", "minutes": "60", "confirm": person.email}
    act = client.post(ask, said)["Location"]
    assert f'href="{page(person)}"' in client.get(act).content.decode()
    own = client.get(reverse("admin:accounts_user_change", args=[person.pk])).content.decode()
    assert f'href="{page(person)}"' in own
    (code,) = characters(client.post(page(person), {"do": "show"}).content.decode())
    assert f'href="{page(person)}"' not in client.get(act).content.decode()
    access_passes.redeem(person, session_of(person), code)
    own = client.get(reverse("admin:accounts_user_change", args=[person.pk])).content.decode()
    assert f'href="{page(person)}"' not in own


@pytest.mark.security(55)
def test_for_an_administrator_a_second_one_agrees_and_who_asked_is_shown_it(administrator: User) -> None:
    boss = AdministratorFactory(tenant=administrator.tenant)
    requester, approver = (
        acts_scene.settled_administrator(tenant=administrator.tenant),
        acts_scene.settled_administrator(tenant=administrator.tenant),
    )
    act = acts_scene.ask(boss, requester, acts_scene.Act.ACCESS_PASS, minutes=30)
    assert not AccessPass.objects.exists()
    acts_scene.approve(act, approver)
    theirs, mine = verified_client(approver), verified_client(requester)
    assert "Show the pass" not in theirs.get(page(boss)).content.decode()
    (code,) = characters(mine.post(page(boss), {"do": "show"}).content.decode())
    access_passes.redeem(boss, session_of(boss), code)
