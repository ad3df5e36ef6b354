"""Trying a draft in the admin: the stream, the page without script, the list to download; nothing is written."""

import asyncio
import csv
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test import AsyncRequestFactory, Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from accounts.models import Tenant, User
from policies.admin import downloads, try_pages
from policies.models import DecidedSignIn, MFAPolicy, PolicyDraft
from policies.rollout import trial
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, enrol_totp, verified_client
from tests.policies.admin_scene import url
from tests.policies.publishing_scene import drafted

pytestmark = pytest.mark.django_db

LINES = "application/x-ndjson"
PASSES = {"name": "An app does", "role": "user", "groups": [], "source": "password", "known": "before"} | {
    "methods": ["totp"],
    "expect": "allowed",
}


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(name="Acme", rules={"enforcement": "optional"})


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant, email="ada@acme.example")


@pytest.fixture
def people(tenant: Tenant) -> list[User]:
    """Two without any method, one with an app."""
    found = [UserFactory(tenant=tenant, email=f"{name}@acme.example") for name in ("bea", "cem", "dov")]
    enrol_totp(found[2])
    return found


@pytest.fixture
def draft(administrator: User, people: list[User]) -> None:
    drafted(administrator, enforcement="required", grace_days=0, tests=[PASSES])


def page_of(tenant: Tenant, page: str = "try") -> str:
    return url(MFAPolicy, page, tenant.policy.pk)


def lines_of(client: Client, tenant: Tenant) -> list[dict[str, Any]]:
    response = client.post(page_of(tenant, "try_run"), headers={"Accept": LINES})
    assert (response.status_code, response["Content-Type"]) == (200, LINES)
    return [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]  # type: ignore[attr-defined]


def rows_of(client: Client, address: str) -> list[list[str]]:
    response = client.get(address)
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))


# -- the page --------------------------------------------------------------------------------------------------


def test_the_page_says_how_much_will_be_tried(client: Client, tenant: Tenant, draft: None) -> None:
    body = client.get(page_of(tenant)).content.decode()
    assert "Everybody in this tenant, 4 people" in body
    assert "Nothing is changed, and nobody notices." in body
    assert f'action="{page_of(tenant, "try_run")}"' in body


def test_without_a_draft_there_is_nothing_to_try(client: Client, tenant: Tenant) -> None:
    assert "There is no draft to try" in client.get(page_of(tenant)).content.decode()
    for response in (client.post(page_of(tenant, "try_run")), client.get(page_of(tenant, "try_people"))):
        assert response.url == page_of(tenant)


def test_reloading_a_result_leads_to_where_it_began(client: Client, tenant: Tenant, draft: None) -> None:
    assert client.get(page_of(tenant, "try_run")).url == page_of(tenant)


# -- the run ---------------------------------------------------------------------------------------------------


def test_the_lines_are_progress_and_last_the_result(
    client: Client, tenant: Tenant, draft: None, people: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    client_of(people[0]).get("/")
    monkeypatch.setattr(trial.people_tried, "__kwdefaults__", {"batch_size": 3})
    *progress, last = lines_of(client, tenant)
    decisions = DecidedSignIn.objects.filter(tenant=tenant).count()
    total = 4 + decisions
    assert progress == [{"done": done, "total": total} for done in (0, 3, 4, total)]
    assert list(last) == ["html"]
    assert "2 people would be stopped who get in today" in last["html"]


def test_without_script_the_same_run_is_a_whole_page(client: Client, tenant: Tenant, draft: None) -> None:
    response = client.post(page_of(tenant, "try_run"))
    body = response.content.decode()
    assert "2 people would be stopped who get in today" in body
    assert "<h1>Try the draft</h1>" in body
    result = response.context["result"]
    assert [(str(row["words"]), row["before"], row["after"]) for row in result.rows()] == [
        ("Get in without a second step", 2, 0),
        ("Get in after a second step", 2, 2),
        ("Get in, in grace", 0, 0),
        ("Have to set up a method first", 0, 2),
        ("Do not get in", 0, 0),
    ]
    (move,) = result.moves()
    assert (str(move["before"]), str(move["after"]), move["count"]) == (
        "Get in without a second step",
        "Have to set up a method first",
        2,
    )
    assert [str(role) for role in result.roles()] == ["User", "Administrator"]
    assert [row["counts"] for row in result.by_role()] == [[0, 0], [1, 1], [0, 0], [2, 0], [0, 0]]


def test_who_would_be_stopped_is_named_with_the_reason_and_a_link(
    client: Client, tenant: Tenant, draft: None, people: list[User]
) -> None:
    body = client.post(page_of(tenant, "try_run")).content.decode()
    for person in people[:2]:
        assert f'{reverse("admin:accounts_user_change", args=[person.pk])}"><bdi>{person.email}' in body
        assert f"{person.email} has not set it up" in body
    assert people[2].email not in body


def test_only_the_first_of_very_many_are_named(
    client: Client, tenant: Tenant, draft: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "KEPT", 1)
    body = client.post(page_of(tenant, "try_run")).content.decode()
    assert "The first 1 of 2; the list to download has all of them." in body


def test_tests_administrators_and_past_sign_ins_are_in_the_result(
    client: Client, administrator: User, tenant: Tenant, people: list[User]
) -> None:
    failing = PASSES | {"name": "<i>None</i> needed", "methods": []}
    drafted(administrator, enforcement="required", grace_days=0, tests=[PASSES, failing])
    client_of(people[0]).get("/")
    DecidedSignIn.objects.create(
        tenant=tenant, person_id=people[1].pk, session=people[1].pk, facts={}, outcome="allow", reasons=[]
    )
    body = client.post(page_of(tenant, "try_run")).content.decode()
    assert "&lt;i&gt;None&lt;/i&gt; needed</bdi>: it ends in “Have to set up a method first”" in body
    assert "These administrators would get in by what they own:" in body
    assert "was let in, would have been made to set up a method" in body
    assert "1 decision was kept in a form that this site cannot read" in body


def test_a_gentler_draft_says_who_gets_in_again(tenant: Tenant, people: list[User], administrator: User) -> None:
    client = verified_client(administrator)
    tenant.policy.versions.update(
        document=tenant.policy.versions.get().document | {"enforcement": "required", "grace_days": 0}
    )
    drafted(administrator, enforcement="optional")
    body = client.post(page_of(tenant, "try_run")).content.decode()
    assert "Nobody who gets in today would be stopped" in body
    assert "2 people who are stopped today would get in." in body


def test_where_browsers_may_be_trusted_the_result_says_that_none_is_taken_to_be(
    client: Client, tenant: Tenant, administrator: User, people: list[User]
) -> None:
    words, run = "No browser is taken to be trusted", page_of(tenant, "try_run")
    drafted(administrator, enforcement="required", grace_days=0)
    page = client.post(run).content.decode()
    assert "What changes for people" in page
    assert words not in page
    draft = PolicyDraft.objects.get(policy__tenant=tenant)
    draft.document["trusted_browser_days"] = 7
    draft.save()
    assert words in client.post(run).content.decode()


def test_hostile_names_are_text(client: Client, tenant: Tenant, draft: None, people: list[User]) -> None:
    User.objects.filter(pk=people[0].pk).update(name="<img src=x>")
    html = lines_of(client, tenant)[-1]["html"]
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html


def test_the_result_is_in_the_language_of_who_asked(
    client: Client, tenant: Tenant, draft: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(try_pages, "render_to_string", lambda *_: translation.get_language())
    response = client.post(page_of(tenant, "try_run"), headers={"Accept": LINES, "Accept-Language": "de"})
    with translation.override("ar"):  # another request of the same thread meanwhile
        *_progress, last = b"".join(response.streaming_content).splitlines()  # type: ignore[attr-defined]
        assert translation.get_language() == "ar"
    assert json.loads(last) == {"html": "de"}


def test_nothing_is_written_but_the_record_of_the_download(client: Client, tenant: Tenant, draft: None) -> None:
    client.get(page_of(tenant))  # the request's own traces of the session are made by now
    with CaptureQueriesContext(connection) as made:
        lines_of(client, tenant)
        rows_of(client, page_of(tenant, "try_people"))
    written = [query["sql"] for query in made if not query["sql"].startswith("SELECT")]
    assert [one for one in written if "audit_" not in one] == []


def test_a_run_costs_the_same_for_many_people(client: Client, tenant: Tenant, draft: None) -> None:
    client.get(page_of(tenant))
    costs = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as made:
            lines_of(client, tenant)
        costs.append(len(made))
        UserFactory.create_batch(5, tenant=tenant)
    assert costs[0] == costs[1] <= 20


def test_a_stream_goes_through_a_proxy_as_it_is_made(client: Client, tenant: Tenant, draft: None) -> None:
    response = client.post(page_of(tenant, "try_run"), headers={"Accept": LINES})
    assert response.streaming
    assert response["X-Accel-Buffering"] == "no"
    assert "no-store" in response["Cache-Control"]
    first = next(iter(response.streaming_content))  # type: ignore[attr-defined]
    assert json.loads(first)["done"] == 0
    response.close()


def test_under_an_asgi_server_the_loop_is_free_between_lines() -> None:
    request = AsyncRequestFactory().post("/")

    async def read() -> list[bytes]:
        response = downloads.streamed(request, iter([b"1", b"2"]), LINES)
        assert response.is_async
        return [line async for line in response]

    assert asyncio.run(read()) == [b"1", b"2"]


# -- the list --------------------------------------------------------------------------------------------------


def test_the_list_holds_everybody_with_today_and_the_draft(client: Client, tenant: Tenant, draft: None) -> None:
    head, *rows = rows_of(client, page_of(tenant, "try_people"))
    assert head == ["Email", "Name", "Role", "Today", "With the draft", "Newly stopped", "Why"]
    found = {row[0]: row[2:6] for row in rows}
    assert found == {
        "ada@acme.example": ["Administrator", "Get in after a second step", "Get in after a second step", "no"],
        "bea@acme.example": ["User", "Get in without a second step", "Have to set up a method first", "yes"],
        "cem@acme.example": ["User", "Get in without a second step", "Have to set up a method first", "yes"],
        "dov@acme.example": ["User", "Get in after a second step", "Get in after a second step", "no"],
    }


def test_the_list_may_hold_only_who_would_be_stopped(client: Client, tenant: Tenant, draft: None) -> None:
    _head, *rows = rows_of(client, page_of(tenant, "try_people") + "?who=stopped")
    assert sorted(row[0] for row in rows) == ["bea@acme.example", "cem@acme.example"]


def test_the_list_is_a_file_of_the_day(client: Client, tenant: Tenant, draft: None) -> None:
    response = client.get(page_of(tenant, "try_people"))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="try-pol-')
    response.close()


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1"], ids=repr)
def test_no_name_is_a_formula_in_a_spreadsheet(
    client: Client, tenant: Tenant, draft: None, people: list[User], name: str
) -> None:
    User.objects.filter(pk=people[0].pk).update(name=name)
    rows = rows_of(client, page_of(tenant, "try_people"))
    (found,) = [row[1] for row in rows if row[0] == "bea@acme.example"]
    assert found == f"'{name}"
