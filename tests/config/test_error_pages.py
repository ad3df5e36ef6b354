"""The pages for what went wrong: in the client's language, for programs as JSON, without the database."""

from http import HTTPStatus
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client, RequestFactory

from config import views

pytestmark = pytest.mark.urls("tests.config.urls")

PAGES = {400: "bad_request", 403: "access_denied", 404: "not_found", 500: "server_error", 503: "unavailable"}


@pytest.fixture
def stranger() -> Client:
    """Somebody unknown, who is shown error pages."""
    return Client(raise_request_exception=False)


@pytest.mark.django_db
@pytest.mark.parametrize("status", PAGES)
def test_people_get_a_page_with_a_heading_and_a_way_on(stranger: Client, status: int) -> None:
    response = stranger.get(f"/probe/fail/{status}/")
    assert response.status_code == status
    page = response.content.decode()
    assert "<h1" in page and 'href="/"' in page and "<title>" in page
    assert "on purpose" not in page and "Traceback" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(("status", "code"), PAGES.items())
def test_programs_get_a_problem_document(stranger: Client, status: int, code: str) -> None:
    response = stranger.get(f"/probe/fail/{status}/", headers={"accept": "application/json"})
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": f"urn:gatehouse:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
    }


@pytest.mark.security(27)
def test_the_page_for_a_failure_needs_no_database(stranger: Client) -> None:
    stranger.cookies["sessionid"] = "abcdefghijklmnopqrstuvwxyz012345"
    response = stranger.get("/")  # this test has no database, so looking for the session fails
    assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert b"<h1" in response.content


@pytest.mark.django_db
@pytest.mark.security(27)
def test_a_lost_database_is_told_as_something_to_try_again(stranger: Client, monkeypatch: Any) -> None:
    def lose(*args: Any) -> None:
        raise OperationalError("server closed the connection at 10.0.0.7")

    monkeypatch.setattr(connection, "cursor", lose)
    stranger.cookies["sessionid"] = "abcdefghijklmnopqrstuvwxyz012345"
    response = stranger.get("/")
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response["Retry-After"] == "5"
    assert b"10.0.0.7" not in response.content


@pytest.mark.parametrize(("language", "direction"), [("de", "ltr"), ("ar", "rtl"), ("xx", "ltr"), ("en", "ltr")])
def test_a_page_is_in_the_language_of_the_client(language: str, direction: str) -> None:
    request = RequestFactory().get("/", headers={"accept-language": language})
    page = views.bad_request(request).content.decode()
    assert f'lang="{language if language != "xx" else "en"}"' in page
    assert f'dir="{direction}"' in page


@pytest.mark.django_db
def test_a_form_without_token_is_told_to_try_again_and_changes_nothing() -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/i18n/setlang/", {"language": "de"})
    assert response.status_code == HTTPStatus.FORBIDDEN
    assert b"too old" in response.content
    assert "django_language" not in response.cookies
    as_program = strict.post("/i18n/setlang/", headers={"accept": "application/json"})
    assert as_program.json()["code"] == "csrf_failed"


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", "nonsense", "a/b;q=x", ";;,", "application/json;q=0.1,text/html"]
)
def test_an_odd_accept_header_gets_the_page(accept: str) -> None:
    response = views.bad_request(RequestFactory().get("/", headers={"accept": accept}))
    assert response["Content-Type"].startswith("text/html")
