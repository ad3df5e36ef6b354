"""The pages about acts on accounts in a browser: accessible, in every look.

    GATEHOUSE_LOOKS=var/looks pytest tests/e2e/test_act_pages.py

keeps a picture of each page, light, dark and on a telephone.
"""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page

from accounts import cancelling
from accounts.flows.interventions import Act
from accounts.models import Intervention, User
from tests.accounts.acts_scene import ask, settled_administrator
from tests.e2e.album import looks_folder, take_looks
from tests.e2e.walk import heading
from tests.factories import (
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
)
from tests.harness.browser import Complaints
from tests.policies.admin_scene import url

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ada() -> User:
    tenant = TenantFactory(name="The Example Society for the Long-Named")
    return settled_administrator(tenant=tenant, email="ada@subdivision.example.com", name="Ada")


@pytest.fixture
def person(ada: User) -> User:
    email = "maximiliane.mustermann-beispiel@subdivision.example.com"
    person = UserFactory(tenant=ada.tenant, email=email, name="Maximiliane")
    enrol_totp(person)
    enrol_recovery_codes(person)
    return person


@pytest.fixture
def act(ada: User) -> Intervention:
    """What a colleague asked for about another administrator."""
    boss = settled_administrator(tenant=ada.tenant, email="grace@subdivision.example.com", name="Grace")
    enrol_totp(boss)
    ask(boss, ada, Act.PASSWORD)
    return ask(boss, settled_administrator(tenant=ada.tenant))


@pytest.fixture
def look(
    page: Page,
    ada: User,
    signed_in: Callable[..., BrowserContext],
    assert_accessible: Callable[[Page], None],
    complaints: Complaints,
) -> Callable[[str, str, str], None]:
    """Go to a page as an administrator and look at it in every way."""
    complaints.forgive("inline style|style-src-elem inline")  # axe itself puts imported style sheets into the page
    if not ada.bindings.exists():
        enrol_totp(ada)
    signed_in(page.context, ada, password_proof(), proof_of(live_binding(ada)))

    def go(name: str, address: str, title: str) -> None:
        response = page.goto(address)
        assert response is not None and response.status == 200, address
        heading(page, title)
        assert_accessible(page)
        take_looks(page, name, looks_folder())

    return go


def test_the_pages_that_ask(look: Callable[[str, str, str], None], person: User) -> None:
    look("person", url(User, "change", person.pk), "Change person")
    ids = f"{reverse('admin:accounts_user_reset_mfa')}?ids={person.pk}"
    look("act-reset", ids, f"Reset two-step verification of {person.email}?")
    removal = reverse("admin:accounts_user_remove_authenticator", args=[person.pk, live_binding(person).pk])
    look("act-removal", removal, f"Remove an authenticator of {person.email}?")
    titles = {
        "address": "Change the mail address of",
        "password": "Demand a new password of",
        "access_pass": "Issue an access pass for",
    }
    for kind, title in titles.items():
        look(f"act-{kind}", reverse(f"admin:accounts_user_{kind}", args=[person.pk]), f"{title} {person.email}?")


def test_the_pages_that_decide(look: Callable[[str, str, str], None], act: Intervention) -> None:
    look("acts", url(Intervention), "Acts on accounts")
    look("act", url(Intervention, "change", act.pk), "View act on an account")
    for name in ("approve", "decline"):
        address = reverse(f"admin:accounts_intervention_{name}", args=[act.pk])
        look(f"act-{name}", address, f"Reset two-step verification: {act.person.email}")
    look("person-open-acts", url(User, "change", act.person_id), "Change person")
    where = reverse("accounts_cancel_intervention", args=[cancelling.token_of(act.pk)])
    look("act-cancel-by-mail", where, "Cancel what was asked for?")


def test_the_tenant_s_rules(look: Callable[[str, str, str], None], ada: User) -> None:
    look("tenant-rules", reverse("admin:accounts_tenant_change", args=[ada.tenant.pk]), "Change tenant")
