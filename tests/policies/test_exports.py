"""Lists that are downloaded: recorded as they begin, as XLSX too, and broken off when the right to them is lost."""

import csv
import io
import os
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from accounts.flows import people
from accounts.models import Role, Session, User
from accounts.session_store import end
from audit.kinds import Kind
from policies.admin import status_lists
from policies.admin.spreadsheets import LONGEST, xlsx_pieces
from policies.flows import drafts
from policies.flows.exports import ExportStopped
from policies.rollout.listed import in_batches
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, document, publish_rules, verified_client
from tests.policies.admin_scene import Side, events, last_event, root

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine() -> Side:
    return Side()


@pytest.fixture
def client(mine: Side) -> Client:
    return mine.client()


@pytest.fixture
def crowd(mine: Side, monkeypatch: pytest.MonkeyPatch) -> list[User]:
    """Five people without a factor, of whom two are read at a time."""
    monkeypatch.setattr(status_lists, "in_batches", partial(in_batches, size=2))
    return [UserFactory(tenant=mine.tenant, email=f"p{number}@acme.example") for number in range(5)]


def address(side: Side, ending: str = "csv", which: str = "without") -> str:
    return reverse("admin:mfa_status_file", args=[side.tenant.pk, which, ending])


def sheet(response: Any) -> list[list[Any]]:
    """The cells of a downloaded workbook."""
    book = load_workbook(io.BytesIO(b"".join(response.streaming_content)))
    return [list(row) for row in book.active.iter_rows()]


def values(rows: list[list[Any]]) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in rows]


# -- XLSX ------------------------------------------------------------------------------------------------------

NAMES = ["=1+1", "=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "#N/A", "2031-01-01", " =1", "Ann-Lee, Ada", "true"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_is_text_in_a_workbook_whatever_it_begins_with(client: Client, mine: Side, name: str) -> None:
    person = UserFactory(tenant=mine.tenant, email="eve@acme.example")
    User.objects.filter(pk=person.pk).update(name=name)
    head, (email, found, *_rest) = sheet(client.get(address(mine, "xlsx")))
    assert [cell.value for cell in head][:3] == ["Email", "Name", "Role"]
    assert email.value == "eve@acme.example"
    assert (found.value, found.data_type) == (name, "s")


def test_a_workbook_holds_what_the_csv_holds_and_numbers_stay_numbers(client: Client, mine: Side, crowd: Any) -> None:
    User.objects.filter(email="p1@acme.example").update(codes_left=7)
    response = client.get(address(mine, "xlsx"))
    assert response["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert response["Content-Disposition"].endswith('.xlsx"')
    rows = sheet(response)
    text = b"".join(client.get(address(mine)).streaming_content).decode().removeprefix("\ufeff")
    as_text = [["" if value is None else str(value) for value in row] for row in values(rows)]
    assert as_text == list(csv.reader(io.StringIO(text)))
    assert rows[2][4].value == 7 and rows[2][4].data_type == "n"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("a\x00b", "a\\u0000b"), ("a\ud800", "a\\ud800"), ("a\ufffe\uffffb", "a\ufffd\ufffdb"), ("a\u202eb", "a\\u202eb")],
    ids=ascii,
)
def test_what_xml_cannot_hold_does_not_break_the_workbook(cell: str, shown: str) -> None:
    book = load_workbook(io.BytesIO(b"".join(xlsx_pieces([[cell, "z" * (LONGEST + 1)]]))))
    first, second = next(book.active.iter_rows(values_only=True))
    assert first == shown
    assert len(second) == LONGEST


def test_memory_does_not_grow_with_the_rows() -> None:
    def most(number: int) -> int:
        tracemalloc.start()
        for _piece in xlsx_pieces([f"person-{row}@acme.example", f"Person {row}", row] for row in range(number)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(10)
    assert most(4000) < most(400) + 400_000


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What lies in the folder for temporary files, which is empty at first."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: os.listdir(tmp_path)


def test_no_temporary_file_is_left(scratch: Callable[[], list[str]]) -> None:
    def broken() -> Iterator[list[str]]:
        yield ["a"]
        assert scratch(), "rows wait in a file"
        raise ExportStopped("session_ended")

    b"".join(xlsx_pieces([["a"]]))
    with pytest.raises(ExportStopped):
        b"".join(xlsx_pieces(broken()))
    left = xlsx_pieces(["a"] for _row in range(10))
    next(left)
    left.close()
    assert scratch() == []


# -- the record ------------------------------------------------------------------------------------------------


@pytest.mark.security(88)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_download_is_recorded_when_it_begins(client: Client, mine: Side, crowd: Any, ending: str) -> None:
    response = client.get(address(mine, ending), {"q": "p1", "role": "user"})
    event = last_event(Kind.EXPORT_BEGUN)
    response.close()  # nothing of it was read
    assert (event.actor_id, event.tenant_id) == (str(mine.administrator.pk), mine.tenant.pk)
    assert (event.target_type, event.target_id) == ("accounts.tenant", str(mine.tenant.pk))
    assert event.payload == {"list": "without", "format": ending, "search": "p1", "role": "user", "rows": 1}


def test_a_platform_administrators_download_is_in_the_record_of_the_tenant(mine: Side, crowd: Any) -> None:
    b"".join(verified_client(root()).get(address(mine)).streaming_content)
    assert last_event(Kind.EXPORT_BEGUN).tenant_id == mine.tenant.pk


def test_what_is_no_download_is_not_recorded(client: Client, mine: Side) -> None:
    assert client.get(address(mine, "exe")).status_code == 404
    assert client.get(address(Side())).status_code == 404
    assert client.post(address(mine)).status_code == 405
    assert client.get(address(mine, which="passwords")).status_code == 404
    assert not events(Kind.EXPORT_BEGUN)


def test_the_list_of_a_trial_is_recorded_too_and_broken_off_too() -> None:
    tenant = TenantFactory()
    administrator = AdministratorFactory(tenant=tenant)
    UserFactory(tenant=tenant)
    client = verified_client(administrator)
    policy = tenant.policy
    drafts.save(policy, document(grace_days=0), enabled=True, actor=administrator, revision=0)
    page = reverse("admin:policies_mfapolicy_try_people", args=[policy.pk])
    b"".join(client.get(page).streaming_content)
    assert last_event(Kind.EXPORT_BEGUN).payload == {"list": "trial", "format": "csv", "rows": 2}
    stream = iter(client.get(page + "?who=stopped").streaming_content)
    assert last_event(Kind.EXPORT_BEGUN).payload == {"list": "trial-stopped", "format": "csv"}
    people.change(administrator, actor=root(), role=Role.USER)
    with pytest.raises(ExportStopped):
        b"".join(stream)
    assert last_event(Kind.EXPORT_STOPPED).payload["list"] == "trial-stopped"


# -- while it goes out -----------------------------------------------------------------------------------------


def read_on(stream: Iterator[bytes]) -> list[str]:
    """What still comes until the answer is broken off."""
    got = []
    with pytest.raises(ExportStopped):
        for piece in stream:
            got.append(piece.decode())
    return got


def sign_out(mine: Side) -> None:
    end(Session.objects.filter(person=mine.administrator))


def switch_off(mine: Side) -> None:
    people.change(mine.administrator, actor=root(), is_active=False)


def switch_off_by_hand(mine: Side) -> None:
    User.objects.filter(pk=mine.administrator.pk).update(is_active=False)


def demote(mine: Side) -> None:
    people.change(mine.administrator, actor=root(), role=Role.USER)


def move(mine: Side) -> None:
    people.change(mine.administrator, actor=root(), tenant=TenantFactory())


def change_password(mine: Side) -> None:
    mine.administrator.set_password("quite another pass phrase")
    mine.administrator.save(update_fields=["password"])


def tighten(mine: Side) -> None:
    publish_rules(
        mine.tenant, grace_days=0, administrators_grace_days=0, strength={"administrator": "phishing_resistant"}
    )


LOST = [
    (sign_out, "session_ended"),
    (switch_off, "session_ended"),
    (switch_off_by_hand, "session_ended"),
    (change_password, "session_ended"),
    (demote, "not_allowed"),
    (move, "not_allowed"),
    (tighten, "access_denied"),
]


@pytest.mark.parametrize(("lose", "code"), LOST, ids=[lose.__name__ for lose, _code in LOST])
def test_a_list_is_broken_off_when_the_right_to_it_is_lost_half_way(
    client: Client, mine: Side, crowd: Any, lose: Callable[[Side], None], code: str
) -> None:
    stream = iter(client.get(address(mine)).streaming_content)
    first = [next(stream).decode() for _bom_head_person in range(3)]
    assert first[2].startswith("p0@acme.example")
    lose(mine)
    rest = read_on(stream)
    assert [line.split(",")[0] for line in rest[:-1]] == ["p1@acme.example"], "no batch is read any more"
    assert rest[-1].startswith("This list is not complete")
    event = last_event(Kind.EXPORT_STOPPED)
    assert event.payload == {"list": "without", "format": "csv", "rows": 2, "code": code}
    assert (event.actor_id, event.tenant_id, event.outcome) == (
        str(mine.administrator.pk),
        mine.tenant.pk,
        "refused",
    )


def test_a_workbook_is_broken_off_before_any_of_it_was_sent(client: Client, mine: Side, crowd: Any) -> None:
    stream = iter(client.get(address(mine, "xlsx")).streaming_content)
    assert next(stream) == b""
    sign_out(mine)
    assert read_on(stream) == []
    assert last_event(Kind.EXPORT_STOPPED).payload["rows"] == 0


def test_a_workbook_is_broken_off_while_it_is_sent(
    client: Client, mine: Side, crowd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policies.admin.spreadsheets.PIECE", 1000)
    stream = iter(client.get(address(mine, "xlsx")).streaming_content)
    assert [len(next(stream)) for _piece in range(2)] == [0, 1000]
    demote(mine)
    assert read_on(stream) == []
    assert last_event(Kind.EXPORT_STOPPED).payload["rows"] == 5


def test_idle_time_counts_while_a_list_goes_out(client: Client, mine: Side, crowd: Any, clock: Any) -> None:
    stream = iter(client.get(address(mine)).streaming_content)
    next(stream)
    next(stream)
    clock.forward(timedelta(hours=2))
    read_on(stream)
    assert last_event(Kind.EXPORT_STOPPED).payload["code"] == "access_denied"


def test_a_list_goes_on_under_a_new_key_and_a_policy_that_asks_no_more(client: Client, mine: Side, crowd: Any) -> None:
    stream = iter(client.get(address(mine)).streaming_content)
    next(stream)
    session = client.session
    session.cycle_key()
    session.save()
    publish_rules(mine.tenant, grace_days=3)
    lines = [piece.decode() for piece in stream]
    assert len(lines) == 1 + len(crowd)
    assert not events(Kind.EXPORT_STOPPED)
