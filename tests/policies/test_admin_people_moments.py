"""What an address brings along from another tenant holds, and when it was is not for this tenant to see."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import AdminReadonlyField
from django.urls import reverse
from django.utils import timezone

from accounts.flows import deletion, people, reset
from accounts.models import User
from policies.admin.deadline_pages import extension_url
from policies.models import DecidedSignIn
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, verified_client
from tests.policies.admin_scene import root, url

pytestmark = [pytest.mark.django_db, pytest.mark.security(84)]

DAY = timedelta(days=1)
FOREIGN = {"First sign-in", "Grace at most until", "Grace ended by a reset"}


def facts_on(response: Any) -> dict[str, str]:
    return dict(response.context["next_sign_in"].facts)


def grace_on(response: Any) -> str:
    fields = [field for lines in response.context["adminform"] for line in lines for field in line]
    shown = [field for field in fields if isinstance(field, AdminReadonlyField)]
    return next(str(field.contents()) for field in shown if field.field["name"] == "grace")


@pytest.fixture
def boss() -> User:
    return root()


@pytest.fixture
def made(boss: User, clock: Any, request: pytest.FixtureRequest) -> User:
    """Somebody whose grace ended elsewhere, and who was deleted there and added here a month later."""
    before = UserFactory(tenant=TenantFactory(rules={"grace_days": 0, "new_grace_days": 3}))
    User.objects.filter(pk=before.pk).update(first_sign_in_at=timezone.now())
    before.refresh_from_db()
    if getattr(request, "param", None) == "reset":
        reset.close_grace(before)
    clock.forward(30 * DAY)
    session = verified_client(boss).session
    deletion.delete(before, actor=boss, session=session, reason="They left.")
    return UserFactory(tenant=TenantFactory(rules={"new_grace_days": 9}), email=before.email)


def test_a_tenants_administrator_reads_no_moment_of_another_tenant(made, boss):
    page, mine = url(User, "change", made.pk), verified_client(AdministratorFactory(tenant=made.tenant))
    response = mine.get(page)
    assert not FOREIGN & set(facts_on(response))
    assert grace_on(response) == "Over"
    assert response.context["next_sign_in"].deadline == ""
    everything = verified_client(boss).get(page)
    assert {"First sign-in", "Grace at most until"} <= set(facts_on(everything))
    assert grace_on(everything).startswith("Over since")
    assert facts_on(everything)["Known since"] == facts_on(response)["Known since"]


@pytest.mark.parametrize("made", ["reset"], indirect=True)
def test_that_a_reset_ended_grace_elsewhere_is_said_and_not_when(made, boss):
    page, mine = url(User, "change", made.pk), verified_client(AdministratorFactory(tenant=made.tenant))
    response = mine.get(page)
    assert not FOREIGN & set(facts_on(response))
    assert grace_on(response) == "Ended by a reset"
    assert grace_on(verified_client(boss).get(page)).startswith("Ended by a reset on ")


def test_known_since_from_before_is_when_they_were_added(made):
    User.objects.filter(pk=made.pk).update(known_since=made.date_joined - 40 * DAY)
    page, mine = url(User, "change", made.pk), verified_client(AdministratorFactory(tenant=made.tenant))
    shown = facts_on(mine.get(page))["Known since"]
    User.objects.filter(pk=made.pk).update(known_since=made.date_joined)
    assert facts_on(mine.get(page))["Known since"] == shown


def test_a_past_sign_in_tells_no_more(made, boss):
    client_of(made).get(reverse("home"))
    row = DecidedSignIn.objects.filter(person_id=made.pk).latest("at")
    page = reverse("admin:accounts_user_sign_in", args=[made.pk, row.pk])
    mine = verified_client(AdministratorFactory(tenant=made.tenant))
    for one in (mine.get(page).context["then"], *[it.explanation for it in mine.get(page).context["anew"]]):
        assert not FOREIGN & set(dict(one.facts)) - {"First sign-in"}
        assert one.deadline == ""
    assert "Grace at most until" in dict(verified_client(boss).get(page).context["then"].facts)


def test_what_happened_here_is_seen(boss, clock):
    tenant = TenantFactory(rules={"new_grace_days": 9})
    person = UserFactory(tenant=tenant)
    clock.forward(DAY)
    User.objects.filter(pk=person.pk).update(first_sign_in_at=timezone.now())
    person.refresh_from_db()
    people.change(person, actor=boss, role="administrator")
    people.change(person, actor=boss, role="user")
    mine = verified_client(AdministratorFactory(tenant=tenant))
    response = mine.get(url(User, "change", person.pk))
    assert {"Known since", "First sign-in", "Grace at most until"} <= set(facts_on(response))


def test_the_page_that_gives_more_time_says_over_and_not_since_when(made, boss):
    page = extension_url(made.pk)
    mine = verified_client(AdministratorFactory(tenant=made.tenant)).get(page)
    assert "<dd>Over</dd>" in mine.content.decode()
    assert "<dd>Over</dd>" not in verified_client(boss).get(page).content.decode()
