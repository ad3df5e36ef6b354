"""Asking for acts on accounts and deciding about them, on the pages."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import cancelling
from accounts.flows import access_passes, caller_checks, interventions
from accounts.flows.interventions import Act
from accounts.models import AccessPass, Binding, CallerCheck, HelpRules, Intervention, Tenant, User
from audit.kinds import Kind
from tests.accounts import acts_scene
from tests.accounts.acts_scene import ask, settled_administrator
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_totp,
    live_binding,
    verified_client,
)
from tests.policies.admin_scene import events, last_event, root, stale_client, url

pytestmark = [pytest.mark.django_db, pytest.mark.security(54, 55)]
State = Intervention.State
LIST = url(Intervention)
SINGLE = ("address", "password", "access_pass")


@pytest.fixture
def ada() -> User:
    return settled_administrator(tenant=TenantFactory(), email="ada@acme.example")


@pytest.fixture
def grace(ada: User) -> User:
    return settled_administrator(tenant=ada.tenant, email="grace@acme.example")


@pytest.fixture
def dana(ada: User) -> User:
    return UserFactory(tenant=ada.tenant, email="dana@acme.example")


@pytest.fixture
def boss(ada: User) -> User:
    boss = settled_administrator(tenant=ada.tenant, email="boss@acme.example")
    enrol_totp(boss)
    return boss


@pytest.fixture
def client(ada: User) -> Client:
    return verified_client(ada)


def page(kind: str, person: User) -> str:
    if kind == "reset":
        return f"{reverse('admin:accounts_user_reset_mfa')}?ids={person.pk}"
    return reverse(f"admin:accounts_user_{kind}", args=[person.pk])


def removal(binding: Binding, person: User | None = None) -> str:
    return reverse("admin:accounts_user_remove_authenticator", args=[(person or binding.person).pk, binding.pk])


def decision(name: str, act: Intervention) -> str:
    return reverse(f"admin:accounts_intervention_{name}", args=[act.pk])


def said(person: User, **more: str) -> dict[str, str]:
    word = {"reason": "Asked at the desk.", "verified_how": "in_person", "confirm": person.email}
    return word | {"address": "dana@new.example", "minutes": "60"} | more


def newest() -> Intervention:
    return Intervention.objects.latest("requested_at")


# -- asking ----------------------------------------------------------------------------------------------------------


def test_the_person_s_page_leads_to_every_act(client, dana):
    enrol_totp(dana)
    body = client.get(url(User, "change", dana.pk)).content.decode()
    for kind in ("reset", *SINGLE):
        assert page(kind, dana).replace("&", "&amp;") in body
    assert removal(live_binding(dana)) in body
    assert "Nothing is asked for." in body


def test_nothing_is_offered_about_oneself_or_a_superior(client, ada):
    superior = UserFactory(tenant=ada.tenant, is_superuser=True)
    for one in (ada, superior):
        assert page("password", one) not in client.get(url(User, "change", one.pk)).content.decode()


@pytest.mark.parametrize("kind", SINGLE)
def test_looking_changes_nothing_and_pressing_does_it(client, dana, kind):
    body = client.get(page(kind, dana)).content.decode()
    assert "Done at once" in body and dana.email in body
    assert not Intervention.objects.exists()
    response = client.post(page(kind, dana), said(dana))
    act = newest()
    assert response.url == url(Intervention, "change", act.pk)
    assert (act.kind, act.state, act.requested_by_label) == (kind, State.DONE, "ada@acme.example")
    shown = client.get(response.url).content.decode()
    assert "Done. The person has been told." in shown
    assert "Asked at the desk." in shown


def test_of_an_administrator_the_page_says_who_has_to_agree_and_how_long_it_waits(client, boss):
    body = client.get(page("reset", boss)).content.decode()
    assert "A second administrator has to agree" in body
    assert "Waits for 24 hours" in body
    answer = client.post(page("reset", boss), said(boss), follow=True).content.decode()
    assert "1 request needs a second administrator, who has been told." in answer
    assert newest().state == State.ASKED
    shown = client.get(url(User, "change", boss.pk)).content.decode()
    assert url(Intervention, "change", newest().pk) in shown


def test_one_authenticator_of_several(client, dana):
    enrol_totp(dana)
    key = Binding.objects.create(person=dana, kind=Binding.Kind.WEBAUTHN, name="Blue key")
    body = client.get(removal(key)).content.decode()
    assert "remove: Blue key" in body and "leave no method" not in body
    client.post(removal(key), said(dana))
    key.refresh_from_db()
    assert key.unbound_at is not None
    assert "leave no method" in client.get(removal(live_binding(dana))).content.decode()
    assert client.get(removal(key)).status_code == 404


def test_what_the_flow_refuses_is_said_beside_what_was_typed(client, dana):
    UserFactory(email="taken@acme.example")
    answer = client.post(page("address", dana), said(dana, address="Taken@acme.example"))
    assert answer.context["form"].errors["address"] == ["Somebody has this address."]
    assert "Asked at the desk." in answer.content.decode()
    enrol_totp(dana)
    answer = client.post(page("access_pass", dana), said(dana))
    assert answer.context["form"].non_field_errors() == [str(access_passes.SomethingEnrolled())]
    assert not Intervention.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"reason": " "}, {"verified_how": ""}, {"verified_how": "caller_check"}, {"confirm": "no"}], ids=str
)
@pytest.mark.parametrize("kind", SINGLE)
def test_what_is_not_meant_or_explained_does_nothing(client, dana, kind, changes):
    answer = client.post(page(kind, dana), said(dana, **changes))
    assert set(answer.context["form"].errors) == set(changes)
    assert not Intervention.objects.exists()


def test_a_pass_is_good_for_what_is_offered(client, dana):
    for minutes in ("0", "5", "100000", "x"):
        assert "minutes" in client.post(page("access_pass", dana), said(dana, minutes=minutes)).context["form"].errors
    assert not AccessPass.objects.exists()


def test_a_caller_check_that_was_passed_is_offered_and_named(client, ada, dana):
    check = caller_checks.start(dana, actor=ada, ticket="T-5")
    CallerCheck.objects.update(person_proved_at=timezone.now())
    form = client.get(page("password", dana)).context["form"]
    assert form["verified_how"].initial == "caller_check" and form["ticket"].initial == "T-5"
    client.post(page("password", dana), said(dana, verified_how="caller_check", ticket="T-5"))
    assert newest().caller_check_id == check.pk


@pytest.mark.security(51)
@pytest.mark.parametrize("kind", ("reset", *SINGLE))
def test_every_page_that_asks_needs_a_fresh_factor(ada, dana, kind):
    stale = stale_client(ada)
    for response in (stale.get(page(kind, dana)), stale.post(page(kind, dana), said(dana))):
        assert response.url.startswith(reverse("mfa_reauthenticate"))
    assert not Intervention.objects.exists()


def test_an_administrator_without_a_factor_is_told_to_set_one_up(dana):
    tenant: Tenant = TenantFactory(rules={"enforcement": "optional"})
    bare = settled_administrator(tenant=tenant)
    person = UserFactory(tenant=tenant)
    from tests.factories import client_of

    answer = client_of(bare).get(page("password", person), follow=True)
    assert "Set up two-step verification for yourself first" in answer.content.decode()
    assert not Intervention.objects.exists()


# -- deciding --------------------------------------------------------------------------------------------------------


def test_a_second_administrator_agrees_after_saying_that_it_is_right(ada, grace, boss):
    act = ask(boss, ada)
    office = verified_client(grace)
    body = office.get(url(Intervention, "change", act.pk)).content.decode()
    assert decision("approve", act) in body and decision("decline", act) in body
    assert decision("cancel", act) not in body
    body = office.get(decision("approve", act)).content.decode()
    for words in ("lost the phone", "ada@acme.example", "remove: Authenticator app", "On a video call"):
        assert words in body
    answer = office.post(decision("approve", act), {})
    assert "sure" in answer.context["form"].errors
    act.refresh_from_db()
    assert act.state == State.ASKED
    answer = office.post(decision("approve", act), {"sure": "on"}, follow=True)
    assert "Agreed. It waits for its time" in answer.content.decode()
    act.refresh_from_db()
    assert (act.state, act.approved_by) == (State.WAITING, grace.pk)
    assert last_event(Kind.INTERVENTION_APPROVED).actor_id == str(grace.pk)


def test_declining_and_taking_back(ada, grace, boss):
    act = ask(boss, ada)
    answer = verified_client(grace).post(decision("decline", act), follow=True)
    assert "Declined." in answer.content.decode()
    act.refresh_from_db()
    assert act.state == State.DECLINED
    again = ask(boss, ada)
    mine = verified_client(ada)
    assert decision("cancel", again) in mine.get(url(Intervention, "change", again.pk)).content.decode()
    assert "Cancelled." in mine.post(decision("cancel", again), follow=True).content.decode()
    again.refresh_from_db()
    assert again.state == State.CANCELLED
    for name in ("approve", "decline", "cancel"):
        answer = mine.get(decision(name, again), follow=True)
        assert "not open any more" in answer.content.decode()


def test_who_asked_and_the_person_are_not_asked_to_agree(ada, grace, boss):
    act = ask(boss, ada)
    for who in (ada, boss):
        office = verified_client(who)
        assert decision("approve", act) not in office.get(url(Intervention, "change", act.pk)).content.decode()
        for answer in (
            office.get(decision("approve", act), follow=True),
            office.post(decision("approve", act), {"sure": "on"}, follow=True),
        ):
            assert "You may not do this." in answer.content.decode()
    act.refresh_from_db()
    assert act.state == State.ASKED


def test_a_new_account_of_who_asked_is_told_why_it_does_not_count(ada, boss):
    act = ask(boss, ada)
    puppet = AdministratorFactory(tenant=ada.tenant)
    answer = verified_client(puppet).post(decision("approve", act), {"sure": "on"}, follow=True)
    assert "Somebody else has to approve this" in answer.content.decode()
    assert last_event(Kind.INTERVENTION_REFUSED).payload["reason"] == "not_independent"


@pytest.mark.security(51)
def test_agreeing_and_declining_need_a_fresh_factor(ada, grace, boss):
    act = ask(boss, ada)
    stale = stale_client(grace)
    for name in ("approve", "decline"):
        for response in (stale.get(decision(name, act)), stale.post(decision(name, act), {"sure": "on"})):
            assert response.url.startswith(reverse("mfa_reauthenticate"))
    act.refresh_from_db()
    assert act.state == State.ASKED


def test_the_list_filters_and_costs_the_same_for_many(client, ada, grace, django_assert_num_queries: Any):
    for _ in range(2):
        boss = settled_administrator(tenant=ada.tenant)
        ask(boss, grace, Act.PASSWORD)
        client.get(LIST)
        with django_assert_num_queries(3):  # the session of the request, the count, the rows
            assert client.get(LIST).status_code == 200
    assert [one.state for one in client.get(LIST, {"state": "asked"}).context["cl"].result_list] == ["asked"] * 2
    assert not client.get(LIST, {"state": "done"}).context["cl"].result_list
    assert len(client.get(LIST, {"kind": "password"}).context["cl"].result_list) == 2


def test_a_platform_administrator_is_not_named_to_a_tenant(client, ada, boss):
    operator = settled_administrator(is_superuser=True, email="operator@platform.example")
    act = ask(boss, operator)
    for where in (LIST, url(Intervention, "change", act.pk)):
        body = client.get(where).content.decode()
        assert "operator@platform.example" not in body and "an administrator" in body
    assert "operator@platform.example" in verified_client(root()).get(LIST).content.decode()


# -- another tenant --------------------------------------------------------------------------------------------------


@pytest.mark.security(84)
def test_another_tenant_s_people_and_acts_do_not_exist(client, ada):
    theirs = settled_administrator(tenant=TenantFactory())
    enrol_totp(theirs)
    act = ask(theirs, settled_administrator(tenant=theirs.tenant))
    mine = UserFactory(tenant=ada.tenant)
    pages = [page(kind, theirs) for kind in ("reset", *SINGLE)]
    pages += [removal(live_binding(theirs)), removal(live_binding(theirs), mine)]
    pages += [decision(name, act) for name in ("approve", "decline", "cancel")]
    pages += [url(Intervention, name, act.pk) for name in ("change", "history")]
    for where in pages:
        assert client.get(where).status_code == 404, where
        assert client.post(where, said(theirs, sure="on")).status_code == 404, where
    act.refresh_from_db()
    assert act.state == State.ASKED
    assert Intervention.objects.count() == 1
    assert live_binding(theirs)


@pytest.mark.security(84)
def test_acts_on_somebody_who_moved_are_not_there_any_more(client, ada, boss):
    act = ask(boss, ada)
    User.objects.filter(pk=boss.pk).update(tenant=TenantFactory(), email="boss@elsewhere.example")
    assert client.get(url(Intervention, "change", act.pk)).status_code == 404
    assert "elsewhere" not in client.get(LIST).content.decode()


# -- the mailed link -------------------------------------------------------------------------------------------------


@pytest.mark.security(55, 56, 71)
def test_the_link_shows_asks_and_cancels_without_a_sign_in(ada, boss):
    act = ask(boss, ada)
    where = reverse("accounts_cancel_intervention", args=[cancelling.token_of(act.pk)])
    stranger = Client()
    looked = stranger.get(where)
    body = looked.content.decode()
    assert looked.status_code == 200 and "Reset two-step verification" in body
    assert boss.email not in body and "lost the phone" not in body
    assert "no-store" in looked["Cache-Control"]
    act.refresh_from_db()
    assert act.state == State.ASKED
    assert "It was cancelled" in stranger.post(where).content.decode()
    act.refresh_from_db()
    assert act.state == State.CANCELLED
    for again in (stranger.get(where), stranger.post(where)):
        assert again.status_code == 410
    assert events(Kind.INTERVENTION_CANCELLED) == 1


@pytest.mark.parametrize("token", ["x", "1:2", "a" * 500])
def test_what_is_no_link_says_so(token):
    for answer in (
        Client().get(reverse("accounts_cancel_intervention", args=[token])),
        Client().post(reverse("accounts_cancel_intervention", args=[token])),
    ):
        assert answer.status_code == 410
        assert reverse("help") in answer.content.decode()


def test_what_is_over_is_not_offered_by_a_mail_that_goes_out_late(ada, boss, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        interventions.cancel(ask(boss, ada), actor=ada)
    assert not [one for one in mail.outbox if "Something was asked for" in one.subject]
    assert [one for one in mail.outbox if one.to == [boss.email] and "is off" in one.subject]


# -- the tenant's rules ----------------------------------------------------------------------------------------------


def rules_of(tenant: Tenant, **changes: str) -> dict[str, str]:
    chosen = {"second_approver": "administrators", "wait_hours": "0", "administrators_wait_hours": "24"}
    return {"name": tenant.name, "time_zone": "UTC", "totp_issuer": "", "is_active": "on"} | chosen | changes


def test_a_tenant_s_administrator_makes_its_rules_stricter_only(client, ada):
    where = url(Tenant, "change", ada.tenant.pk)
    assert 'name="second_approver"' in client.get(where).content.decode()
    assert client.post(where, rules_of(ada.tenant, second_approver="everyone", wait_hours="4")).status_code == 302
    row = HelpRules.objects.get(tenant=ada.tenant)
    assert (row.second_approver, row.wait_hours) == ("everyone", 4)
    answer = client.post(where, rules_of(ada.tenant, second_approver="everyone", wait_hours="3"))
    assert "Only platform administrators make them weaker." in answer.content.decode()
    row.refresh_from_db()
    assert row.wait_hours == 4


def test_the_platform_makes_them_weaker_and_the_page_says_from_when(ada):
    office = verified_client(root())
    where = url(Tenant, "change", ada.tenant.pk)
    typed = rules_of(ada.tenant, administrators_wait_hours="1") | {"slug": ada.tenant.slug, "domains": ""}
    assert office.post(where, typed).status_code == 302
    assert "hold from" in office.get(where).content.decode()
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        boss = settled_administrator(tenant=ada.tenant)
        assert ask(boss, ada).not_before - timezone.now() == timedelta(hours=1)


@pytest.mark.security(51)
def test_the_rules_change_with_a_fresh_factor_alone(ada):
    answer = stale_client(ada).post(url(Tenant, "change", ada.tenant.pk), rules_of(ada.tenant, wait_hours="4"))
    assert answer.url.startswith(reverse("mfa_reauthenticate"))
    assert not HelpRules.objects.exists()


def test_rules_that_are_none_are_refused_in_the_form(client, ada):
    for wrong in ({"wait_hours": "169"}, {"wait_hours": "-1"}, {"second_approver": "nobody"}):
        answer = client.post(url(Tenant, "change", ada.tenant.pk), rules_of(ada.tenant, **wrong))
        assert set(answer.context["adminform"].form.errors) == set(wrong)
    acts_scene.rules(ada)
    assert HelpRules.objects.get().wait_hours == 0
