"""The record in a browser: accessible, in every look, with names as long and as foreign as they get.

    GATEHOUSE_LOOKS=var/looks pytest tests/e2e/test_event_pages.py

keeps a picture of each page, light, dark and on a telephone. Without it they are looked at all the same.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import translation
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import Tenant, User
from audit import context
from audit.context import RequestContext
from audit.kinds import Kind
from audit.log import Outcome, record
from audit.models import AuditEvent
from policies.exporting import RecordExport
from policies.flows import event_files
from tests.e2e.album import looks_folder, take_looks
from tests.e2e.walk import button, heading, press
from tests.factories import (
    AdministratorFactory,
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
LONG = "maximiliane.mustermann-beispiel.von.der.langen.adresse@subdivision.of.a.department.example.com"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"


@pytest.fixture
def tenant() -> Tenant:
    tenant: Tenant = TenantFactory(name="The Example Society for the Long-Named")
    return tenant


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    person: User = AdministratorFactory(tenant=tenant, email="root@subdivision.example.com", is_superuser=True)
    enrol_totp(person)
    enrol_recovery_codes(person)
    return person


@pytest.fixture
def story(tenant: Tenant, administrator: User) -> AuditEvent:
    """What happened to somebody with a long address and somebody with an Arabic name; the last of it."""
    long = UserFactory(tenant=tenant, email=LONG)
    arab = UserFactory(tenant=tenant, email="ليلى@subdivision.example.com", name="ليلى")
    with context.use(RequestContext(ip="2001:db8:1234:5678:9abc:def0:1234:5678", user_agent=AGENT, request_id="r-1")):
        record(Kind.SIGN_IN_FAILED, target=arab, method="password", reason="wrong_password")
        record(Kind.SIGN_IN_FIRST_FACTOR_ACCEPTED, actor=long, target=long, method="password", session="5e55")
        record(Kind.SIGN_IN_COMPLETED, actor=long, target=long, method="totp", strength="multi_factor", session="5e55")
        record(
            Kind.MFA_RESET,
            actor=administrator,
            target=long,
            outcome=Outcome.FAILED,
            reason="Lost the telephone and the key in the same bag, on the same train: " + "a very long story " * 9,
            removed=2,
            sessions=1,
            methods=["totp", "webauthn"],
        )
    return AuditEvent.objects.latest("id")


@pytest.fixture
def console(
    page: Page, story: AuditEvent, administrator: User, signed_in: Callable[..., BrowserContext], complaints: Complaints
) -> Page:
    """The console of an administrator who proved a factor just now. (axe itself puts imported style sheets into it.)"""
    signed_in(page.context, administrator, password_proof(), proof_of(live_binding(administrator)))
    complaints.forgive("inline style|style-src-elem inline")
    return page


@pytest.fixture
def look(console: Page, assert_accessible: Callable[[Page], None]) -> Callable[..., None]:
    """Go to a page and look at it in every way."""
    folder: Path | None = looks_folder()

    def go(name: str, address: str, title: str) -> None:
        response = console.goto(address)
        assert response is not None and response.status == 200, address
        heading(console, title)
        assert_accessible(console)
        take_looks(console, name, folder)

    return go


def test_the_list_of_events(look: Callable[..., None], console: Page) -> None:
    look("events", url(AuditEvent), "Events")
    look("events-none", f"{url(AuditEvent)}?ip=192.0.2.1&category=keys&outcome=failed", "Events")
    expect(console.get_by_text("Nothing fits what you search for.")).to_be_visible()


def test_the_list_of_events_from_right_to_left(look: Callable[..., None], administrator: User) -> None:
    User.objects.filter(pk=administrator.pk).update(language="ar")
    look("events-arabic", f"{url(AuditEvent)}?person={LONG}", "أحداث")


def test_an_export_on_its_way_and_when_it_is_ready(
    look: Callable[..., None], console: Page, tmp_path: Path, settings: Any
) -> None:
    settings.AUDIT_EXPORT_DIR, settings.AUDIT_EXPORT_AT_ONCE = str(tmp_path), 2
    look("exports-none", reverse("admin:audit_auditevent_exports"), "Exports")
    console.goto(f"{url(AuditEvent)}?person={LONG}&period=month")
    press(console, button(console, "JSON Lines"))
    heading(console, "Export of events")
    wanted = RecordExport.objects.get()
    page = reverse("admin:audit_auditevent_export_page", args=[wanted.pk])
    look("export-under-way", page, "Export of events")
    event_files.go_on.func(str(wanted.pk))
    expect(console.get_by_role("heading", name="Ready: 3 events")).to_be_visible(timeout=10_000)
    look("export-ready", page, "Export of events")
    with console.expect_download() as fetched:
        console.get_by_role("link", name="Download").click()
    lines = Path(fetched.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 3
    look("exports", reverse("admin:audit_auditevent_exports"), "Exports")


def test_an_event_and_what_is_around_it(look: Callable[..., None], story: AuditEvent, administrator: User) -> None:
    look("event", url(AuditEvent, "change", story.pk), story.sentence)
    signed_in = AuditEvent.objects.get(kind=Kind.SIGN_IN_COMPLETED)
    look("event-decision", url(AuditEvent, "change", signed_in.pk), signed_in.sentence)
    User.objects.filter(pk=administrator.pk).update(language="ar")
    with translation.override("ar"):
        sentence = signed_in.sentence
    look("event-arabic", url(AuditEvent, "change", signed_in.pk), sentence)
