"""Exports of the record: recorded, bounded to what one may read, at once or by a worker."""

import asyncio
import csv
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.flows import people
from accounts.models import Role, Session, User
from accounts.session_store import end
from audit import reading
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditEvent
from policies import checks
from policies.admin import downloads
from policies.exporting import RecordExport
from policies.flows import event_files, periodic
from policies.flows.exports import ExportStopped
from tests.factories import verified_client
from tests.policies.admin_scene import Side, events, last_event, root, url

pytestmark = pytest.mark.django_db
START = reverse("admin:audit_auditevent_export")


@pytest.fixture
def mine() -> Side:
    return Side()


@pytest.fixture
def client(mine: Side) -> Client:
    return mine.client()


@pytest.fixture
def story(mine: Side) -> list[AuditEvent]:
    """Seven sign-outs of one person, oldest first; nobody else's are of this kind and from there."""
    for _each in range(7):
        record(Kind.HELP_CLOSED, actor=mine.administrator, target=mine.person)
    return list(AuditEvent.objects.filter(kind=Kind.HELP_CLOSED).order_by("id"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events are read at a time."""
    inner = reading.batches
    monkeypatch.setattr(reading, "batches", lambda *args, **said: inner(*args, **{"size": 2, **said}))


@pytest.fixture
def place(settings: Any, tmp_path: Path) -> Path:
    """Where files are written; more than three events are too many to wait for."""
    tmp_path.chmod(0o700)
    settings.AUDIT_EXPORT_DIR, settings.AUDIT_EXPORT_AT_ONCE = str(tmp_path), 3
    return tmp_path


HELP = {"kind": "help:closed"}


def body(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


def leave(response: Any) -> None:
    """Go away, as `response.close()` does, which would end the test's connection too."""
    for close in response._resource_closers:
        close()


def ids(response: Any) -> list[str]:
    return [json.loads(line)["id"] for line in body(response).splitlines()[1:]]


# -- at once -----------------------------------------------------------------------------------------------------


def test_json_lines_hold_what_is_asked_for_oldest_first(client: Client, story: list[AuditEvent]) -> None:
    response = client.post(START, {**HELP, "format": "jsonl"})
    assert response["Content-Type"] == "application/x-ndjson"
    assert response["Content-Disposition"].endswith('.jsonl"')
    head, *lines = map(json.loads, body(response).splitlines())
    assert (head["whole"], head["filter"]["kind"]) == (False, "help:closed")
    assert [line["id"] for line in lines] == [str(event.pk) for event in story]
    assert {line["action"] for line in lines} == {"help:closed"}


def test_csv_holds_the_same(client: Client, story: list[AuditEvent]) -> None:
    text = body(client.post(START, {**HELP, "format": "csv"}))
    head, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert head[:4] == ["id", "user_id", "user_email", "action"]
    assert [row[0] for row in rows] == [str(event.pk) for event in story]


@pytest.mark.parametrize(
    "asked",
    [
        {"person": "{person}"},
        {"q": "{person}"},
        {"category": "recovery"},
        {"category": "recovery", "person": "{admin}"},
    ],
    ids=str,
)
def test_several_ways_to_an_event_do_not_double_it(
    client: Client, mine: Side, story: list[AuditEvent], asked: dict[str, str]
) -> None:
    record(Kind.HELP_CLOSED, actor=mine.person, target=mine.person)
    names = {"person": mine.person.email, "admin": mine.administrator.email}
    found = ids(
        client.post(START, {name: value.format(**names) for name, value in asked.items()} | {"format": "jsonl"})
    )
    assert found == sorted(set(found))
    assert {str(event.pk) for event in story} <= set(found)


@pytest.mark.security(84)
def test_nobody_exports_another_tenants_events(client: Client, mine: Side, story: list[AuditEvent]) -> None:
    theirs = Side()
    for asked in ({}, {"tenant": str(theirs.tenant.pk)}, {"person": theirs.person.email}):
        body_of = body(client.post(START, {**asked, "format": "jsonl"}))
        assert theirs.mark not in body_of.partition("\n")[2]
    everything = body(verified_client(root()).post(START, {"format": "jsonl"}))
    assert theirs.mark in everything and mine.mark in everything


@pytest.mark.security(88)
def test_an_export_is_recorded_with_what_was_asked_and_with_its_end(client: Client, mine: Side, story: Any) -> None:
    response = client.post(START, {**HELP, "period": "hour", "format": "csv"})
    begun = last_event(Kind.RECORD_EXPORT_BEGUN)
    assert (begun.actor_id, begun.tenant_id) == (str(mine.administrator.pk), mine.tenant.pk)
    assert begun.payload["asked"].keys() == {"kind", "since", "until"}
    text = body(response)
    finished = last_event(Kind.RECORD_EXPORT_FINISHED)
    assert finished.payload == {
        "export": begun.payload["export"],
        "format": "csv",
        "events": 7,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }
    assert (finished.actor_id, finished.request_id) == (str(mine.administrator.pk), begun.request_id)


def test_an_export_that_nobody_reads_to_its_end_is_recorded_so(client: Client, story: Any) -> None:
    response = client.post(START, {**HELP, "format": "jsonl"})
    next(iter(response.streaming_content))
    leave(response)
    assert last_event(Kind.RECORD_EXPORT_STOPPED).payload["code"] == "not_read"
    assert not events(Kind.RECORD_EXPORT_FINISHED)
    leave(client.post(START, {**HELP, "format": "jsonl"}))
    assert events(Kind.RECORD_EXPORT_STOPPED) == 2


def test_under_an_asgi_server_whoever_goes_away_is_noticed_too() -> None:
    """The end is told in the thread where the lines are made: it may write to the database."""

    class Lines:
        closed_by: threading.Thread | None = None

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            return b"line"

        def close(self) -> None:
            self.closed_by = threading.current_thread()

    async def leave_early(lines: Lines) -> None:
        turns = downloads._in_turns(lines)
        assert await anext(turns) == b"line"
        await turns.aclose()

    lines = Lines()
    asyncio.run(leave_early(lines))
    assert lines.closed_by is not None
    assert lines.closed_by is not threading.current_thread()


def test_of_one_tenant_the_export_is_in_its_record(mine: Side, story: Any) -> None:
    platform = verified_client(root())
    body(platform.post(START, {"tenant": mine.mark, "format": "csv"}))
    assert last_event(Kind.RECORD_EXPORT_FINISHED).tenant_id == mine.tenant.pk
    body(platform.post(START, {**HELP, "format": "csv"}))
    assert last_event(Kind.RECORD_EXPORT_FINISHED).tenant_id != mine.tenant.pk


def sign_out(mine: Side) -> None:
    end(Session.objects.filter(person=mine.administrator))


def demote(mine: Side) -> None:
    people.change(mine.administrator, actor=root(), role=Role.USER)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(("lose", "code"), [(sign_out, "session_ended"), (demote, "not_allowed")])
def test_it_is_broken_off_when_the_right_to_it_is_lost(
    client: Client, mine: Side, story: Any, lose: Callable[[Side], None], code: str, form: str
) -> None:
    stream = iter(client.post(START, {**HELP, "format": form}).streaming_content)
    next(stream)
    lose(mine)
    rest = []
    with pytest.raises(ExportStopped):
        for piece in stream:
            rest.append(piece.decode())
    assert code in rest[-1] or rest[-1].startswith("This list is not complete")
    assert last_event(Kind.RECORD_EXPORT_STOPPED).payload["code"] == code
    assert not events(Kind.RECORD_EXPORT_FINISHED)


def test_what_is_no_export_is_none(client: Client, mine: Side) -> None:
    assert client.post(START, {"format": "exe"}).status_code == 404
    assert client.get(START).status_code == 302
    assert verified_client(mine.person).post(START, {"format": "csv"}).status_code in {302, 403}
    assert not events(Kind.RECORD_EXPORT_BEGUN)


# -- by a worker -------------------------------------------------------------------------------------------------


@pytest.fixture
def ask(client: Client, django_capture_on_commit_callbacks: Any) -> Callable[..., RecordExport]:
    """Ask for a large one; the work waits in the queue."""

    def post(**asked: str) -> RecordExport:
        with django_capture_on_commit_callbacks(execute=False):
            response = client.post(START, {**HELP, "format": "jsonl", **asked})
        wanted = RecordExport.objects.latest("asked_at")
        assert response.url == reverse("admin:audit_auditevent_export_page", args=[wanted.pk])
        return wanted

    return post


def work(wanted: RecordExport) -> RecordExport:
    """What a worker does."""
    event_files.go_on.func(str(wanted.pk))
    wanted.refresh_from_db()
    return wanted


def file_url(wanted: RecordExport) -> str:
    return reverse("admin:audit_auditevent_export_file", args=[wanted.pk])


def page_url(wanted: RecordExport) -> str:
    return reverse("admin:audit_auditevent_export_page", args=[wanted.pk])


Ask = Callable[..., RecordExport]


def test_a_large_one_becomes_a_file_that_whoever_asked_fetches(
    client: Client, mine: Side, story: list[AuditEvent], place: Path, ask: Ask
) -> None:
    wanted = ask()
    assert "Under way: 0 events so far" in client.get(page_url(wanted)).content.decode()
    assert client.get(file_url(wanted)).url == page_url(wanted)
    wanted = work(wanted)
    [path] = place.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(wanted.name) > 40 and wanted.name == path.name
    shown = client.get(page_url(wanted)).content.decode()
    assert "Ready: 7 events" in shown and wanted.digest in shown and wanted.name not in shown
    response = client.get(file_url(wanted))
    text = body(response)
    assert [json.loads(line)["id"] for line in text.splitlines()[1:]] == [str(event.pk) for event in story]
    assert hashlib.sha256(text.encode()).hexdigest() == wanted.digest
    assert last_event(Kind.RECORD_EXPORT_BEGUN).payload["by_worker"] is True
    finished, fetched = last_event(Kind.RECORD_EXPORT_FINISHED), last_event(Kind.RECORD_EXPORT_DOWNLOADED)
    assert (
        finished.payload
        == fetched.payload
        == {
            "export": str(wanted.pk),
            "format": "jsonl",
            "events": 7,
            "digest": wanted.digest,
        }
    )
    assert {finished.actor_id, fetched.actor_id} == {str(mine.administrator.pk)}
    assert str(wanted.pk) in client.get(reverse("admin:audit_auditevent_exports")).content.decode()


@pytest.mark.security(84)
def test_nobody_else_fetches_it(client: Client, mine: Side, story: Any, place: Path, ask: Ask) -> None:
    wanted = work(ask())
    for other in (verified_client(root()), Side().client()):
        assert other.get(page_url(wanted)).status_code == 404
        assert other.get(file_url(wanted)).status_code == 404
        assert str(wanted.pk) not in other.get(reverse("admin:audit_auditevent_exports")).content.decode()


def test_whoever_lost_the_right_fetches_nothing(mine: Side, story: Any, place: Path, ask: Ask) -> None:
    wanted = work(ask())
    people.change(mine.administrator, actor=root(), tenant=Side().tenant)
    mine.administrator.refresh_from_db()
    client = verified_client(mine.administrator)
    assert client.get(file_url(wanted)).url == page_url(wanted)
    assert not events(Kind.RECORD_EXPORT_DOWNLOADED)


def test_a_download_is_broken_off_when_the_right_is_lost(
    client: Client, mine: Side, story: Any, place: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "PIECE", 100)
    stream = iter(client.get(file_url(work(ask()))).streaming_content)
    next(stream)
    sign_out(mine)
    with pytest.raises(ExportStopped):
        b"".join(stream)
    assert last_event(Kind.RECORD_EXPORT_STOPPED).payload["code"] == "session_ended"


class Killed(BaseException):
    """A worker that is not asked."""


def test_a_worker_that_is_killed_is_followed_by_another(
    story: list[AuditEvent], place: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after it wrote and before it said so: what it wrote last is written again, and stands there once."""
    monkeypatch.setattr(event_files, "BATCHES", 1)
    wanted = ask()
    assert event_files.step(wanted.pk)
    with monkeypatch.context() as patch:

        def killed(self: Any, **kwargs: Any) -> None:
            raise Killed

        patch.setattr(RecordExport, "save", killed)
        with pytest.raises(Killed):
            event_files.step(wanted.pk)
    assert len((place / wanted.name).read_text().splitlines()) == 1 + 4
    wanted.refresh_from_db()
    assert wanted.events == 2
    assert work(wanted).is_ready
    lines = (place / wanted.name).read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines[1:]] == [str(event.pk) for event in story]


def test_the_periodic_work_takes_up_what_nobody_does(story: Any, place: Path, ask: Ask, monkeypatch: Any) -> None:
    taken: list[str] = []
    monkeypatch.setattr(event_files, "soon", lambda wanted: taken.append(str(wanted.pk)))
    wanted = ask()
    taken.clear()
    assert dict(periodic.run(timezone.now()))["exports"] == 1
    assert taken == [str(wanted.pk)]


def test_two_workers_write_each_event_once(story: Any, place: Path, ask: Ask, monkeypatch: Any) -> None:
    monkeypatch.setattr(event_files, "BATCHES", 1)
    wanted = ask()
    while event_files.step(wanted.pk):
        pass
    assert not event_files.step(wanted.pk)
    work(wanted)
    work(wanted)
    assert (wanted.events, events(Kind.RECORD_EXPORT_FINISHED)) == (7, 1)


def test_a_file_is_given_up_when_the_right_is_lost(
    mine: Side, story: Any, place: Path, ask: Ask, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(event_files, "BATCHES", 1)
    wanted = ask()
    assert event_files.step(wanted.pk)
    demote(mine)
    with django_capture_on_commit_callbacks(execute=True):
        wanted = work(wanted)
    assert (wanted.stopped, list(place.iterdir())) == ("not_allowed", [])
    event = last_event(Kind.RECORD_EXPORT_STOPPED)
    assert (event.payload["code"], event.payload["events"]) == ("not_allowed", 2)


def test_a_file_that_cannot_be_written_is_said_to_have_failed(
    client: Client, story: Any, place: Path, ask: Ask, settings: Any, caplog: Any
) -> None:
    wanted = ask()
    settings.AUDIT_EXPORT_DIR = str(place / "gone")
    for _time in range(event_files.MOST_FAILURES):
        assert not wanted.stopped
        wanted = work(wanted)
    assert wanted.stopped == "file"
    event = last_event(Kind.RECORD_EXPORT_FAILED)
    assert (event.outcome, event.payload["code"]) == ("failed", "file")
    assert "The file could not be written" in client.get(page_url(wanted)).content.decode()
    assert wanted.name not in caplog.text


def test_it_expires_with_its_file(client: Client, story: Any, place: Path, ask: Ask, clock: Any, mine: Side) -> None:
    wanted = work(ask())
    clock.forward(timedelta(hours=23, minutes=59))
    assert event_files.remove_expired(timezone.now()) == 0
    clock.forward(timedelta(minutes=2))
    assert mine.client().get(file_url(wanted)).status_code == 404
    assert event_files.remove_expired(timezone.now()) == 1
    assert (list(place.iterdir()), RecordExport.objects.count()) == ([], 0)


def test_files_of_ours_without_a_row_are_swept_and_nothing_else(place: Path) -> None:
    old = (timezone.now() - timedelta(days=2)).timestamp()
    names = [f"events-{'a' * 32}.csv", f"events-{'b' * 32}.jsonl", "events-of-the-year.csv", "letter.txt"]
    for name in names:
        (place / name).write_text("x")
        os.utime(place / name, (old, old))
    os.utime(place / names[1])
    assert event_files.remove_expired(timezone.now()) == 1
    assert sorted(path.name for path in place.iterdir()) == sorted(names[1:])


def test_a_link_in_its_place_is_not_followed(story: Any, place: Path, ask: Ask, tmp_path_factory: Any) -> None:
    wanted, target = ask(), tmp_path_factory.mktemp("elsewhere") / "target"
    target.write_text("precious")
    (place / wanted.name).symlink_to(target)
    assert not work(wanted).is_ready
    assert target.read_text() == "precious"


def test_a_file_that_is_gone_is_said_to_be(client: Client, story: Any, place: Path, ask: Ask) -> None:
    wanted = work(ask())
    (place / wanted.name).unlink()
    shown = client.get(file_url(wanted), follow=True).content.decode()
    assert "This file is not there any more" in shown
    assert not events(Kind.RECORD_EXPORT_DOWNLOADED)


def test_one_person_has_three_at_most(client: Client, story: Any, place: Path, ask: Ask) -> None:
    for _each in range(3):
        ask()
    shown = client.post(START, {**HELP, "format": "csv"}, follow=True).content.decode()
    assert "You have three exports already" in shown
    assert RecordExport.objects.count() == events(Kind.RECORD_EXPORT_BEGUN) == 3


def test_without_a_place_for_files_a_large_one_is_refused(client: Client, story: Any, settings: Any) -> None:
    settings.AUDIT_EXPORT_AT_ONCE = 3
    response = client.post(START, {**HELP, "outcome": "ok", "format": "csv"}, follow=True)
    assert "These are more than 3 events" in response.content.decode()
    assert response.redirect_chain[0][0] == f"{url(AuditEvent)}?kind=help%3Aclosed&outcome=ok"
    assert not events(Kind.RECORD_EXPORT_BEGUN)


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (lambda path: "", []),
        (lambda path: str(path), []),
        (lambda path: str(path / "none"), ["policies.E004"]),
        (lambda path: "relative", ["policies.E004"]),
    ],
)
def test_a_place_for_files_is_checked(settings: Any, tmp_path: Path, made: Any, found: list[str]) -> None:
    tmp_path.chmod(0o700)
    settings.AUDIT_EXPORT_DIR = made(tmp_path)
    assert [one.id for one in checks.exports_have_a_place(None)] == found
    tmp_path.chmod(0o750)
    settings.AUDIT_EXPORT_DIR = str(tmp_path)
    assert [one.id for one in checks.exports_have_a_place(None)] == ["policies.W002"]


def test_somebody_who_is_gone_gets_no_file(mine: Side, story: Any, place: Path, ask: Ask) -> None:
    wanted = ask()
    User.objects.filter(pk=mine.administrator.pk).update(is_active=False)
    assert work(wanted).stopped == "not_allowed"
