"""Notices through a real mail server on loopback that is down, slow, or refuses one address of a person."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts import expiry, notices, outbox
from accounts.models import Notice, User
from audit.kinds import Kind
from audit.models import AuditEvent
from policies.flows import periodic
from tests.conftest import LOOPBACK
from tests.factories import AdministratorFactory, UserFactory, verified_client

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts(LOOPBACK)]
State = Notice.State
HOME, WORK = "dana@home.example", "dana@work.example"
LIST = "/admin/accounts/notice/"


@pytest.fixture
def person() -> User:
    """Somebody with two verified addresses, and one that is not."""
    person = UserFactory(email=WORK)
    EmailAddress.objects.create(user=person, email=HOME, verified=True)
    EmailAddress.objects.create(user=person, email="dana@elsewhere.example", verified=False)
    return person


@pytest.fixture
def tell(person: User, django_capture_on_commit_callbacks: Any) -> Any:
    """Tell the person that their factors were reset, as a request does that commits."""

    def tell(name: str = "mfa_reset", **facts: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            notices.send(name, person, by_other=True, **facts)

    return tell


def states() -> dict[str, str]:
    return dict(Notice.objects.values_list("address", "state"))


def later() -> int:
    """What a worker does with the notices that are due."""
    return int(notices.deliver_due.call())


# security 56
def test_every_verified_address_gets_one_mail_of_its_own(sink, person, tell):
    tell()
    assert Counter(sink.kept.addresses) == {HOME: 1, WORK: 1}
    assert states() == {HOME: State.SENT, WORK: State.SENT}
    one, two = sink.kept.messages
    assert (one["Auto-Submitted"], one["Message-ID"] == two["Message-ID"]) == ("auto-generated", False)
    assert later() == 0


def test_nothing_is_sent_of_what_did_not_happen(sink, person, django_capture_on_commit_callbacks):
    with pytest.raises(ZeroDivisionError), django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        notices.send("mfa_reset", person)
        raise ZeroDivisionError
    assert (sink.kept.messages, Notice.objects.count(), later()) == ([], 0, 0)


def test_one_refused_address_is_tried_again_and_does_not_repeat_the_mail_to_the_other(sink, person, tell, clock):
    sink.kept.refusals[WORK] = "450 4.2.0 try later"
    tell()
    assert states() == {HOME: State.SENT, WORK: State.QUEUED}
    waiting = Notice.objects.get(address=WORK)
    assert (waiting.attempts, waiting.trouble) == (1, "450 4.2.0 try later")
    assert waiting.due_at > timezone.now()
    assert later() == 0, "not before its time"
    sink.kept.refusals.clear()
    clock.forward(timedelta(minutes=2))
    assert later() == 1
    assert Counter(sink.kept.addresses) == {HOME: 1, WORK: 1}


def test_an_address_refused_for_good_is_given_up_and_that_is_recorded(sink, person, tell, clock):
    sink.kept.refusals[WORK] = "550 5.1.1 no such user"
    tell()
    for _attempt in range(5):
        clock.forward(timedelta(hours=1))
        later()
    given_up = Notice.objects.get(address=WORK)
    assert (given_up.state, given_up.attempts, given_up.trouble) == (State.FAILED, 3, "550 5.1.1 no such user")
    event = AuditEvent.objects.get(kind=Kind.NOTICE_FAILED)
    assert (event.target_id, event.outcome, event.payload["notice"]) == (str(person.pk), "failed", "mfa_reset")
    assert Counter(sink.kept.addresses) == {HOME: 1}


def test_while_the_server_is_down_one_waits_up_to_a_day_and_is_given_up_after_three(sink, tell, clock, settings):
    settings.EMAIL_PORT = 1
    EmailAddress.objects.filter(email=HOME).delete()
    tell()
    waits = []
    while (notice := Notice.objects.get()).state == State.QUEUED:
        waits.append(round((notice.due_at - timezone.now()) / timedelta(minutes=1)))
        clock.forward(notice.due_at - timezone.now() + timedelta(seconds=1))
        later()
    assert waits == [1, 5, 15, 60, 4 * 60, 12 * 60, 24 * 60, 24 * 60, 24 * 60]
    assert (notice.state, notice.attempts) == (State.FAILED, len(waits) + 1)
    assert "refused" in notice.trouble


def test_they_go_out_once_when_the_server_is_back(sink, person, tell, clock, settings):
    settings.EMAIL_PORT = 1
    tell()
    settings.EMAIL_PORT = sink.port
    clock.forward(timedelta(minutes=2))
    assert notices.unsent_due(timezone.now()) == 2
    assert dict(periodic.run(timezone.now()))["notices"] == 2
    assert Counter(sink.kept.addresses) == {HOME: 1, WORK: 1}
    assert notices.unsent_due(timezone.now()) == 0


def test_a_server_too_slow_after_the_text_gets_it_once(sink, person, tell, clock, settings):
    settings.EMAIL_TIMEOUT = 0.2
    sink.kept.seconds = 0.6
    tell()
    assert set(states().values()) == {State.UNSURE}
    sink.kept.seconds = 0
    clock.forward(timedelta(hours=1))
    assert later() == 0
    assert Counter(sink.kept.addresses) == {HOME: 1, WORK: 1}


@pytest.mark.parametrize(
    ("state", "becomes", "mails"), [(State.CLAIMED, State.SENT, 1), (State.HANDED, State.UNSURE, 0)]
)
def test_what_a_dead_worker_left_is_taken_up_unless_it_may_have_arrived(sink, person, clock, state, becomes, mails):
    until = timezone.now() + outbox.CLAIM
    left = Notice.objects.create(
        person=person, address=WORK, name="mfa_reset", state=state, claimed_until=until, attempts=1,
        facts={"at": timezone.now().isoformat(), "what": "", "ip": "", "agent": ""},
    )  # fmt: skip
    assert later() == 0
    clock.forward(outbox.CLAIM + timedelta(seconds=1))
    later()
    left.refresh_from_db()
    assert (left.state, len(sink.kept.messages)) == (becomes, mails)


def test_the_queue_holds_ids_alone_and_a_request_does_not_wait_for_the_server(person, tell, settings, sink):
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    settings.EMAIL_PORT = 1
    tell(what="Blue key")
    [task] = DBTaskResult.objects.all()
    assert task.args_kwargs == {
        "args": [list(Notice.objects.order_by("pk").values_list("pk", flat=True))],
        "kwargs": {},
    }
    assert set(states().values()) == {State.QUEUED}
    assert set(Notice.objects.values_list("attempts", flat=True)) == {0}


def test_periodic_work_asks_once_for_what_already_waits_in_the_queue(person, tell, settings, clock):
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    tell()
    DBTaskResult.objects.all().delete()
    for _minute in range(3):
        clock.forward(timedelta(minutes=2))
        list(periodic.run(timezone.now()))
    assert DBTaskResult.objects.filter(task_path="accounts.notices.deliver_due").count() == 1


def test_finished_ones_go_after_a_month_and_those_that_wait_stay(sink, person, tell, clock):
    sink.kept.refusals[WORK] = "450 4.2.0 try later"
    tell()
    clock.forward(notices.KEPT + timedelta(minutes=1))
    expiry.expired(timezone.now())["notices"].delete()
    assert states() == {WORK: State.QUEUED}


def test_a_tenants_administrators_see_what_did_not_arrive_and_change_nothing(sink, person, tell):
    sink.kept.refusals[WORK] = "450 4.2.0 try <later>"
    tell()
    client = verified_client(AdministratorFactory(tenant=person.tenant))
    page = client.get(f"{LIST}?state=queued").content.decode()
    assert WORK in page
    assert HOME not in page
    for words in ("waiting", "450 4.2.0 try &lt;later&gt;", "Your two-step verification was reset"):
        assert words in page
    notice = Notice.objects.get(address=WORK)
    assert client.get(f"{LIST}{notice.pk}/change/").status_code == 200
    assert client.post(f"{LIST}{notice.pk}/change/", {"address": HOME}).status_code == 403
    assert client.post(f"{LIST}{notice.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_mail_whose_claim_is_anothers_by_now_stays_here(sink, person, tell, settings):
    settings.EMAIL_PORT = 1
    tell()
    settings.EMAIL_PORT = sink.port
    Notice.objects.update(due_at=timezone.now())
    claimed = notices.OUTBOX.claim(Notice.objects.select_related("person__tenant"))
    assert claimed is not None
    Notice.objects.filter(pk=claimed.pk).update(attempts=9)
    made = notices.message("mfa_reset", WORK, person, at=timezone.now(), what="", ip="", agent="")
    assert notices.OUTBOX.hand_over(claimed, made) is False
    assert sink.kept.messages == []
