"""The pages of the MFA status in a browser: accessible, light and dark, on a telephone too."""

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page

from accounts import enrolment_state
from accounts.models import User
from tests.bench import crowd
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    publish_rules,
)
from tests.policies.test_snapshots import note

pytestmark = pytest.mark.e2e


@pytest.fixture
def administrator(transactional_db: None) -> User:
    """The platform's, in a tenant with people in every state."""
    tenant = TenantFactory(name="Acme Example")
    crowd.gather(tenant, 60)
    for person in User.objects.filter(tenant=tenant):
        enrolment_state.refresh(person)
    publish_rules(tenant, grace_days=14)
    for ago in range(1, 60):
        note(tenant, timezone.localdate() - timedelta(days=ago), missing=min(10, 2 + ago // 6))
    person = AdministratorFactory(tenant=tenant, is_superuser=True)
    enrol_totp(person)
    return person


@pytest.fixture
def verified(context: BrowserContext, administrator: User, signed_in: Callable[..., BrowserContext]) -> BrowserContext:
    return signed_in(context, administrator, password_proof(), proof_of(live_binding(administrator)))


def test_every_page_of_the_status_is_accessible(
    verified: BrowserContext, page: Page, administrator: User, assert_accessible: Callable[[Page], None]
) -> None:
    for number, address in enumerate(pages_of(administrator)):
        response = page.goto(address)
        assert response is not None and response.status == 200, address
        assert_accessible(page)
        if folder := os.environ.get("J2_PICTURES"):
            for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light")):
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=f"{folder}/{number}_{width}_{scheme}.png", full_page=True)
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": 1280, "height": 900})


def pages_of(administrator: User) -> list[str]:
    tenant = administrator.tenant_id
    lists = [reverse("admin:mfa_status_list", args=[tenant, which]) for which in ("missing", "few-codes", "excluded")]
    return [reverse("admin:mfa_status"), reverse("admin:mfa_status_of", args=[tenant]), *lists]
