"""The admin as a site: whom it lets in, what it is made of, and what it tells."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse

from accounts.admin.scope import ScopedAdmin
from accounts.gates import Gate, gate_of
from accounts.models import Binding, Session, User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, enrol_totp, verified_client
from tests.policies.admin_scene import Side, a_group, events, last_event, root, url

pytestmark = pytest.mark.django_db

INDEX = "/admin/"


def admin_views(patterns: list[URLPattern | URLResolver]) -> list[Any]:
    views = []
    for one in patterns:
        views += admin_views(one.url_patterns) if isinstance(one, URLResolver) else [one.callback]
    return views


# security 59
def test_every_page_of_the_admin_is_behind_the_gate() -> None:
    views = admin_views(admin.site.get_urls())
    assert len(views) > 50
    assert {gate_of(view) for view in views} == {Gate.GATED}


def test_nobody_is_led_to_the_sign_in_page_and_back() -> None:
    for address in (INDEX, url(User), "/admin/login/?next=/admin/accounts/user/", "/admin/no/such/page/"):
        response = Client(HTTP_HOST="localhost").get(address)
        assert response.status_code == 302
        assert response.url.startswith(reverse("account_login") + "?next=%2Fadmin%2F")


def test_a_user_is_not_let_in_and_it_is_recorded() -> None:
    person = UserFactory(tenant=TenantFactory())
    client = verified_client(person)
    for address in (INDEX, url(User), url(User, "change", person.pk), reverse("admin:autocomplete")):
        before = events(Kind.ADMIN_REFUSED)
        response = client.get(address, follow=True)
        assert response.status_code == 403
        assert len(response.redirect_chain) == 1  # to the admin's login, which refuses: no loop
        assert events(Kind.ADMIN_REFUSED) == before + 1
    refusal = last_event(Kind.ADMIN_REFUSED)
    assert (refusal.actor_id, refusal.payload["reason"]) == (str(person.pk), "not_staff")
    assert refusal.outcome == "refused"


def test_an_administrator_with_a_password_alone_is_stopped_at_the_gate() -> None:
    tenant = TenantFactory()
    bare = AdministratorFactory(tenant=tenant)
    response = client_of(bare).get(INDEX)
    assert (response.status_code, response.url) == (302, reverse("mfa_enrol") + "?next=%2Fadmin%2F")
    owner = AdministratorFactory(tenant=tenant)
    enrol_totp(owner)
    response = client_of(owner).get(url(User))
    assert response.status_code == 302
    assert response.url.startswith(reverse("mfa_authenticate"))
    assert last_event(Kind.ENFORCEMENT_STOPPED).actor_id == str(owner.pk)


def test_the_site_itself_sends_strangers_to_the_sign_in_page(rf: Any) -> None:
    """The gate does so before; this holds without it."""
    request = rf.get("/admin/login/", {"next": url(User)})
    request.user = AnonymousUser()
    assert admin.site.login(request).url == reverse("account_login") + "?next=%2Fadmin%2Faccounts%2Fuser%2F"


def test_there_is_no_password_form_and_no_password_page() -> None:
    client = verified_client(AdministratorFactory(tenant=TenantFactory()))
    assert client.get("/admin/login/").url == INDEX
    assert client.get("/admin/login/?next=/admin/accounts/user/").url == url(User)
    assert client.get("/admin/login/?next=https://elsewhere.example/").url == INDEX
    assert client.get("/admin/password_change/").url == reverse("account_change_password")
    assert client.get("/admin/password_change/done/").url == reverse("mfa_index")


def test_signing_out_of_the_admin_signs_out() -> None:
    client = verified_client(AdministratorFactory(tenant=TenantFactory()))
    assert client.get("/admin/logout/").url == reverse("account_logout")
    assert client.get(INDEX).status_code == 200
    assert client.post("/admin/logout/").url == reverse("account_login")
    assert client.get(INDEX).status_code == 302
    assert events(Kind.SIGNED_OUT) == 1


def test_models_are_grouped_by_purpose() -> None:
    groups = verified_client(AdministratorFactory(tenant=TenantFactory())).get(INDEX).context["app_list"]
    shown = {group["app_label"]: [model["object_name"] for model in group["models"]] for group in groups}
    assert shown == {
        "enforcement": ["MFAPolicy", "Campaign", "Reminder", "Tenant", "MFAStatus"],
        "people": ["User", "Binding", "Session", "HelpRequest", "Intervention", "Notice"],
        "evidence": ["AuditEvent"],
    }
    groups = verified_client(root()).get(INDEX).context["app_list"]
    assert [group["app_label"] for group in groups] == ["enforcement", "people", "evidence", "operations"]


def test_an_apps_own_index_lists_its_models() -> None:
    response = verified_client(AdministratorFactory(tenant=TenantFactory())).get("/admin/policies/")
    assert response.status_code == 200
    assert url(User) in response.content.decode()


def test_the_site_is_called_as_configured(settings: Any) -> None:
    settings.SITE_NAME = "Ivory Tower"
    body = verified_client(AdministratorFactory(tenant=TenantFactory())).get(INDEX).content.decode()
    assert "Ivory Tower" in body
    assert reverse("mfa_index") in body


# security 7, 84
def test_packages_bring_no_pages_of_their_own() -> None:
    assert not admin.site.is_registered(Authenticator)
    assert not admin.site.is_registered(EmailAddress)

    class Foreign(ModelAdmin):
        pass

    Foreign.__module__ = "some_package.admin"
    admin.site.register(LogEntry, Foreign)
    admin.site.register(LogEntry)
    assert not admin.site.is_registered(LogEntry)


def test_every_model_here_knows_its_tenant() -> None:
    for model, model_admin in admin.site._registry.items():
        if model is AuditEvent:
            continue
        assert isinstance(model_admin, ScopedAdmin)
        assert model_admin.platform_only or model_admin.tenant_path
        assert not model_admin.list_editable
        assert not model_admin.inlines


# security 84
def test_a_new_admin_shows_nothing_to_tenants_unless_it_says_how() -> None:
    class Forgetful(ScopedAdmin):
        pass

    request = type("Request", (), {"user": AdministratorFactory(tenant=TenantFactory())})()
    with pytest.raises(AttributeError):
        Forgetful(Group, admin.site).get_queryset(request)
    forgetful = Forgetful(Group, admin.site)
    for permission in ("add", "change", "delete"):
        assert not getattr(forgetful, f"has_{permission}_permission")(request)
    for write in (forgetful.save_by_flow, forgetful.delete_model, forgetful.delete_queryset):
        with pytest.raises(PermissionDenied):
            write(*[None] * (3 if write == forgetful.save_by_flow else 2))


# security 84
def test_forms_yet_to_come_offer_what_is_in_scope() -> None:
    """A field that points to another model takes only what the person could look at, and nothing unregistered."""

    class Coming(ScopedAdmin):
        tenant_path = "person__tenant"

    mine, theirs = Side(), Side()
    request = type("Request", (), {"user": mine.administrator})()
    pages = Coming(Binding, admin.site)
    person = pages.formfield_for_dbfield(Binding._meta.get_field("person"), request)
    assert set(person.queryset) == {mine.administrator, mine.person}
    assert theirs.person not in person.queryset
    assert not isinstance(person.widget, RelatedFieldWidgetWrapper)
    assert not pages.formfield_for_dbfield(Binding._meta.get_field("authenticator"), request).queryset.exists()
    groups = pages.formfield_for_dbfield(User._meta.get_field("groups"), request)
    a_group()
    assert not groups.queryset.exists()


def test_djangos_own_log_of_the_admin_stays_empty() -> None:
    side = Side()
    client = side.client()
    client.post(url(User, "change", side.person.pk), {"name": "New", "role": "user", "is_active": "on", "language": ""})
    assert User.objects.get(pk=side.person.pk).name == "New"
    assert not LogEntry.objects.exists()
    assert not client.get(INDEX).context["log_entries"]


# security 7, 87
def test_no_page_shows_a_secret_or_a_key() -> None:
    side = Side()
    session = Session.objects.filter(person=side.person).latest("created_at")
    ciphertext = side.binding.authenticator.data["secret"]
    client = verified_client(root())
    pages = [url(model) for model in admin.site._registry]
    pages += [url(model, page, side.id_of(model)) for model in (User, Session) for page in ("change", "history")]
    pages += [url(type(side.binding), page, side.binding.pk) for page in ("change", "history")]
    for page in pages:
        body = client.get(page).content.decode()
        for secret in (ciphertext, side.secret, session.session_key, side.person.password, "pbkdf2", "argon2"):
            assert secret not in body, page


def test_pages_are_not_cached_and_carry_no_inline_code() -> None:
    side = Side()
    client = side.client()
    pages = [INDEX, *(url(model) for model in (User, Session, type(side.binding), type(side.tenant)))]
    pages += [url(User, "change", side.person.pk), url(type(side.tenant.policy), "change", side.tenant.policy.pk)]
    for page in pages:
        response = client.get(page)
        assert "no-store" in response["Cache-Control"]
        body = response.content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)", body), page
