"""Everything is closed: every URL in the resolver, as four kinds of people, with every verb."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import IntConverter, StringConverter, UUIDConverter

from accounts.gates import Gate, gate_of
from accounts.models import Role
from audit.models import AuditEvent
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    password_proof,
    verified_client,
)

pytestmark = pytest.mark.django_db

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get")

# The only views that are not gated, each with how much it asks. A change here is a change of what is open.
OPEN = {
    "account_confirm_email": Gate.PUBLIC,
    "account_email_verification_sent": Gate.PUBLIC,
    "account_inactive": Gate.PUBLIC,
    "account_login": Gate.PUBLIC,
    "account_logout": Gate.PUBLIC,
    "account_reset_password": Gate.PUBLIC,
    "account_reset_password_done": Gate.PUBLIC,
    "account_reset_password_from_key": Gate.PUBLIC,
    "account_reset_password_from_key_done": Gate.PUBLIC,
    "account_signup": Gate.PUBLIC,
    "accounts_enrolment_link": Gate.PUBLIC,
    "accounts_cancel_intervention": Gate.PUBLIC,
    "accounts_invitation": Gate.PUBLIC,
    "accounts_not_me": Gate.PUBLIC,
    "healthz": Gate.PUBLIC,
    "help": Gate.PUBLIC,
    "help_lost": Gate.PUBLIC,
    "help_sent": Gate.PUBLIC,
    "mfa_activate_totp": Gate.ENROL_ONLY,
    "mfa_add_webauthn": Gate.ENROL_ONLY,
    "mfa_authenticate": Gate.PENDING,
    "mfa_enrol": Gate.ENROL_ONLY,
    "mfa_enrolment_guarded": Gate.ENROL_ONLY,
    "mfa_enrolment_link": Gate.ENROL_ONLY,
    "mfa_login_webauthn": Gate.PUBLIC,
    "mfa_reauthenticate": Gate.ENROL_ONLY,
    "mfa_send_enrolment_link": Gate.ENROL_ONLY,
    "readyz": Gate.PUBLIC,
    "set_language": Gate.PUBLIC,
}

PATHS_OF_GATES = ("/accounts/login/", "/accounts/2fa/authenticate/", "/accounts/2fa/enrol/")


def patterns(
    resolver: Any = None, prefix: tuple[Any, ...] = (), space: str = ""
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Every pattern of the resolver with its full name and the chain that leads to it."""
    for entry in (resolver or get_resolver()).url_patterns:
        chain = (*prefix, entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, chain, f"{space}{entry.namespace}:" if entry.namespace else space)
        elif isinstance(entry, URLPattern):
            yield f"{space}{entry.name or entry.pattern}", (entry, *chain)


def path_of(chain: tuple[Any, ...]) -> str:
    """A concrete path that this chain matches, with plausible arguments."""
    path = "/"
    for pattern in chain:
        text = str(pattern)
        for name, converter in pattern.converters.items():
            text = _fill(text, name, converter)
        path += _from_regex(text)
    return path


def _fill(text: str, name: str, converter: Any) -> str:
    value = {
        UUIDConverter: str(uuid.uuid4()),
        IntConverter: str(ContentType.objects.first().pk),
        StringConverter: "abc123",
    }.get(type(converter), str(uuid.uuid4()))
    for spelling in (
        f"<{name}>",
        f"<str:{name}>",
        f"<int:{name}>",
        f"<uuid:{name}>",
        f"<path:{name}>",
        f"<slug:{name}>",
    ):
        text = text.replace(spelling, value)
    return text


def _from_regex(text: str) -> str:
    for regex, value in {
        r"^confirm-email/(?P<key>[-:\w]+)/$": "confirm-email/abc/",
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z-]+?)-(?P<key>[^/]+)/$": "password/reset/key/abc-def/",
        "(?P<url>.*)$": "whatever/",
    }.items():
        text = text.replace(regex, value)
    if text.startswith("^(?P<app_label>"):
        return "accounts/"
    return text.removeprefix("^").removesuffix("$")


@pytest.fixture
def paths() -> list[tuple[str, Gate, str]]:
    found = [(name, gate_of(entry.callback), path_of(chain)) for name, (entry, *chain) in patterns()]
    assert len(found) > 60
    for name, _, path in found:
        assert "(" not in path and "<" not in path, (name, path)
    return found


def test_the_open_views_are_exactly_these(paths):
    assert {name: gate for name, gate, _ in paths if gate is not Gate.GATED} == OPEN


def ask(client: Client, verb: str, path: str) -> Any:
    return client.generic(verb, path, HTTP_ACCEPT="text/html")


def is_stopped(response: Any, at: str) -> bool:
    return response.status_code == 302 and response["Location"].split("?")[0] == at


@pytest.mark.parametrize("verb", VERBS)
def test_anonymous_people_meet_sign_in_at_every_closed_view(paths, verb):
    client = Client()
    for name, gate, path in paths:
        if gate is not Gate.PUBLIC:
            response = ask(client, verb, path)
            assert is_stopped(response, reverse("account_login")), (verb, name, path, response.status_code)


@pytest.mark.parametrize("verb", VERBS)
def test_password_only_people_under_required_meet_enrolment(paths, verb):
    client = client_of(UserFactory(tenant=TenantFactory()))
    for name, gate, path in paths:
        if gate is Gate.GATED:
            response = ask(client, verb, path)
            assert is_stopped(response, reverse("mfa_enrol")), (verb, name, path, response.status_code)


@pytest.mark.parametrize("verb", VERBS)
def test_who_owns_a_factor_and_has_not_proved_it_reaches_not_even_enrolment(paths, verb):
    person = UserFactory(tenant=TenantFactory())
    enrol_totp(person)
    client = client_of(person, password_proof())
    for name, gate, path in paths:
        if gate in (Gate.GATED, Gate.ENROL_ONLY):
            response = ask(client, verb, path)
            assert is_stopped(response, reverse("mfa_authenticate")), (verb, name, path, response.status_code)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "POST"])
def test_verified_administrators_are_stopped_nowhere_and_nothing_breaks(paths, verb):
    person = AdministratorFactory(tenant=TenantFactory(), is_superuser=True)
    client = verified_client(person)
    client.raise_request_exception = True
    for name, _, path in paths:
        if name in ("account_login", "account_signup", "mfa_login_webauthn", "admin:login"):
            continue
        response = ask(client, verb, path)
        assert response.status_code < 500, (verb, name, path)
        stopped = response.status_code == 302 and response["Location"].startswith(PATHS_OF_GATES[0])
        assert not stopped, (verb, name, path)


@pytest.mark.parametrize(
    "path", ["//admin/", "/admin//", "/Admin/", "/admin/../", "/%61dmin/", "/admin/?x", "/admin/;a"]
)
def test_odd_spellings_of_a_path_open_nothing(path):
    response = Client().get(path)
    assert response.status_code in (302, 301, 404)
    if response.status_code == 302:
        assert is_stopped(response, reverse("account_login"))


def test_programs_are_told_in_problem_documents_what_is_missing():
    person = UserFactory(tenant=TenantFactory())
    response = Client().get(reverse("home"), HTTP_ACCEPT="application/json")
    assert (response.status_code, response["Content-Type"]) == (401, "application/problem+json")
    assert response.json()["code"] == "sign_in_required"
    response = client_of(person).get(reverse("home"), HTTP_ACCEPT="application/json")
    assert (response.status_code, response.json()["code"]) == (403, "enrolment_required")
    assert response.json()["help"].endswith(reverse("mfa_enrol"))
    enrol_totp(person)
    response = client_of(person).get(reverse("home"), HTTP_ACCEPT="application/json")
    assert (response.status_code, response.json()["code"]) == (401, "step_up_required")


def test_a_stop_is_recorded_once_per_session_not_once_per_reload():
    person = UserFactory(tenant=TenantFactory())
    client = client_of(person)
    for _ in range(3):
        client.get(reverse("home"))
    events = AuditEvent.objects.filter(kind="enforcement:stopped", target_id=str(person.pk))
    assert [event.payload["decision"] for event in events] == ["enrol"]


def test_where_somebody_wanted_to_go_is_kept():
    response = Client().get("/accounts/email/?a=b")
    assert response["Location"] == "/accounts/login/?next=%2Faccounts%2Femail%2F%3Fa%3Db"


def test_roles_besides_administrators_do_not_reach_the_admin():
    person = UserFactory(tenant=TenantFactory(), role=Role.USER)
    response = verified_client(person).get(reverse("admin:index"))
    assert response.status_code in (302, 403, 404)
    assert b"Evidence" not in response.content
