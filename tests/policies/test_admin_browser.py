"""The admin's pages in a real browser: nothing breaks the content security policy, and everybody can use them."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page

from accounts.models import Binding, Notice, Session, Tenant, User
from audit.models import AuditEvent
from policies.models import Campaign, DecidedSignIn, MFAPolicy, Reminder
from tests.factories import enrol_recovery_codes, verified_client
from tests.harness.browser import SCHEMES, Complaints, accessibility_violations
from tests.policies.admin_scene import Side, a_group, root, url

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

LOOKED_AT = (User, Tenant, Binding, Session, Notice, Campaign, Reminder)


@pytest.fixture
def side(transactional_db: None) -> Side:
    side = Side(mark="m1")
    enrol_recovery_codes(side.person)
    return side


def enter(context: BrowserContext, site: str, client: Client) -> None:
    """Give the browser the session of a test client."""
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": site}])


def a_sign_in(side: Side) -> DecidedSignIn:
    """What is kept of a sign-in that was asked for a second factor."""
    side.person_client.get("/")
    return DecidedSignIn.objects.filter(person_id=side.person.pk).latest("at")


def addresses(side: Side) -> list[str]:
    """Every kind of page: lists, forms, read-only pages, histories, confirmations."""
    person, policy = side.person, side.tenant.policy
    models = (User, Tenant, MFAPolicy, Binding, Session, Notice, Group, AuditEvent, Campaign, Reminder)
    return [
        reverse("admin:index"),
        *(url(model) for model in models),
        *(url(model, "add") for model in (User, Tenant, Group, Campaign)),
        *(url(model, "change", side.id_of(model)) for model in LOOKED_AT),
        url(MFAPolicy, "change", policy.pk),
        url(MFAPolicy, "history", policy.pk),
        *(url(MFAPolicy, page, policy.pk) for page in ("draft", "try", "publish", "report")),
        url(MFAPolicy, "version", policy.pk, 1),
        url(User, "history", person.pk),
        url(User, "delete", person.pk),
        url(Group, "delete", a_group().pk),
        url(User, "sign_ins", person.pk),
        url(User, "sign_in", person.pk, a_sign_in(side).pk),
        f"{reverse('admin:accounts_user_reset_mfa')}?ids={person.pk}",
        f"{reverse('admin:accounts_user_extend_deadline')}?ids={person.pk}",
    ]


def test_no_page_of_the_admin_breaks_the_content_security_policy(
    page: Page, context: BrowserContext, site: str, side: Side, complaints: Complaints
) -> None:
    enter(context, site, verified_client(root()))
    for address in addresses(side):
        assert page.goto(site + address).status == 200  # type: ignore[union-attr]
    assert not complaints.open


def test_every_page_of_the_admin_is_accessible(
    page: Page, context: BrowserContext, site: str, side: Side, complaints: Complaints
) -> None:
    """In light and dark, on a telephone and at a desk. (axe itself puts imported style sheets into the page.)"""
    complaints.forgive("inline style|style-src-elem inline")
    enter(context, site, verified_client(root()))
    for address in addresses(side):
        page.goto(site + address)
        assert not violations(page), address


def violations(page: Page) -> list[str]:
    """What axe finds once colours have come to rest: Django's links fade from one scheme to the other."""
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished)).then(() => true)")
        found += accessibility_violations(page, schemes=[scheme])
    return found
