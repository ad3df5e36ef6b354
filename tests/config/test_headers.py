"""Every response carries the headers that protect it, whatever its status and whoever answered."""

import asyncio
from http import HTTPStatus
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import AsyncClient, Client

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.config.urls"), pytest.mark.security(72)]

ANSWERS = ["/probe/answer/200/", "/probe/answer/204/", "/probe/answer/302/", "/probe/answer/405/"]
FAILURES = [f"/probe/fail/{status}/" for status in (400, 403, 404, 500, 503)]
OF_THE_SITE = ["/healthz", "/readyz", "/help/", "/accounts/login/", "/", "/admin/", "/no/such/page/"]
ALWAYS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
TRUSTED_TYPES = "require-trusted-types-for 'script'"


@pytest.fixture
def stranger() -> Client:
    """Somebody unknown, who is shown error pages."""
    return Client(raise_request_exception=False)


def policy_of(response: HttpResponse) -> dict[str, str]:
    """The directives of the response's content security policy."""
    directives = response["Content-Security-Policy"].split("; ")
    return {name: rest for name, _, rest in (directive.partition(" ") for directive in directives)}


@pytest.mark.parametrize("path", [*ANSWERS, *FAILURES, *OF_THE_SITE])
def test_every_response_is_protected(stranger: Client, path: str) -> None:
    response = stranger.get(path)
    assert {name: response.headers.get(name) for name in ALWAYS} == ALWAYS
    assert "no-store" in response["Cache-Control"]
    assert "camera=()" in response["Permissions-Policy"]
    assert "publickey-credentials-get=(self)" in response["Permissions-Policy"]
    assert response["X-Request-ID"]
    policy = policy_of(response)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_the_status_is_the_one_that_was_meant(stranger: Client, status: int) -> None:
    assert stranger.get(f"/probe/fail/{status}/").status_code == status


def test_a_refused_request_is_protected_too(stranger: Client) -> None:
    response = stranger.post("/probe/echo/", {"text": "x" * 70_000})
    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert {name: response.headers.get(name) for name in ALWAYS} == ALWAYS
    assert policy_of(response)["frame-ancestors"] == "'none'"


@pytest.mark.security(14)
def test_a_view_cannot_let_proxies_keep_its_page(stranger: Client) -> None:
    assert stranger.get("/probe/kept/")["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("path", "demanded"), [("/probe", True), ("/admin/probe", True), ("/theirs", False)])
def test_trusted_types_are_for_our_pages_by_resolver_not_by_path(stranger: Client, path: str, demanded: bool) -> None:
    response = stranger.get(f"{path}/answer/200/")
    assert response.status_code == HTTPStatus.OK
    assert (TRUSTED_TYPES in response["Content-Security-Policy"]) is demanded


def test_an_error_page_under_the_admin_is_ours_and_a_missing_one_too(stranger: Client) -> None:
    assert TRUSTED_TYPES in stranger.get("/no/such/page/")["Content-Security-Policy"]


def test_static_files_may_be_kept_and_are_protected(stranger: Client) -> None:
    response = stranger.get("/static/site.css")
    assert response.status_code == HTTPStatus.OK
    assert "no-store" not in response.headers.get("Cache-Control", "")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert policy_of(response)["default-src"] == "'none'"
    response.close()


@pytest.mark.parametrize("path", ["/probe/answer/200/", "/probe/fail/404/", "/probe/fail/500/"])
def test_the_asynchronous_path_protects_alike(path: str) -> None:
    response = asyncio.run(AsyncClient(raise_request_exception=False).get(path))
    assert {name: response.headers.get(name) for name in ALWAYS} == ALWAYS
    assert TRUSTED_TYPES in response["Content-Security-Policy"]


@pytest.mark.security(70)
@pytest.mark.parametrize("path", ["/probe/answer/200/", "/probe/fail/404/", "/probe/fail/500/"])
def test_behind_https_browsers_are_told_to_stay_there(stranger: Client, path: str, settings: object) -> None:
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    response = stranger.get(path, secure=True)
    assert "max-age=31536000" in response["Strict-Transport-Security"]


def test_the_styles_of_our_pages_are_in_our_file() -> None:
    pages = (page for page in Path("templates").rglob("*.html") if "mail" not in page.parts)
    texts = {str(page): page.read_text(encoding="utf-8") for page in pages}
    assert [page for page, text in texts.items() if "<style" in text or " style=" in text] == []
