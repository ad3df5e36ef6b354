"""Daily snapshots, the trend and the forecast that come of them."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Tenant
from policies.flows import snapshots
from policies.models import EnrolmentSnapshot
from policies.rollout.forecast import Day, deadline_ahead, missing_on, trend
from policies.terms import Rules
from tests.factories import TenantFactory, UserFactory, enrol_totp

TODAY = date(2030, 5, 1)


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("snapshot_enrolment", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
class TestSnapshots:
    def test_one_a_day_says_what_was_counted(self):
        tenant = TenantFactory()
        enrol_totp(UserFactory(tenant=tenant))
        UserFactory(tenant=tenant)
        assert command("--tenant", tenant.slug) == "1 noted\n"
        enrol_totp(UserFactory(tenant=tenant))
        assert command("--tenant", tenant.slug) == "0 noted\n"
        row = EnrolmentSnapshot.objects.get(tenant=tenant)
        assert (row.people, row.enrolled, row.demanded, row.missing, row.overdue) == (2, 1, 2, 1, 1)
        assert (row.excluded, row.one_loss_away, row.day) == (0, 1, timezone.localdate(timezone=tenant.zone))

    def test_a_dry_run_notes_nothing(self):
        everybody = Tenant.objects.count()
        assert command("--dry-run") == f"{everybody} due\n"
        assert not EnrolmentSnapshot.objects.exists()
        assert command() == f"{everybody} noted\n"

    def test_an_unknown_tenant_is_an_error(self):
        with pytest.raises(CommandError) as refused:
            command("--tenant", "nowhere")
        assert refused.value.returncode == 1

    def test_the_day_is_the_tenants_own(self):
        east, west = TenantFactory(time_zone="Pacific/Auckland"), TenantFactory(time_zone="America/Los_Angeles")
        now = datetime(2030, 5, 1, 20, tzinfo=UTC)
        assert list(snapshots.take([east, west], now)) == [2]
        assert EnrolmentSnapshot.objects.get(tenant=east).day == date(2030, 5, 2)
        assert EnrolmentSnapshot.objects.get(tenant=west).day == date(2030, 5, 1)
        assert snapshots.due([east, west], now) == []
        later = now + timedelta(hours=12)
        assert snapshots.due([east, west], later) == [west]

    def test_two_at_once_leave_one_row(self):
        tenant = TenantFactory()
        for _ in range(2):
            assert list(snapshots.take([tenant], timezone.now())) == [1]
        assert EnrolmentSnapshot.objects.filter(tenant=tenant).count() == 1

    def test_many_tenants_are_taken_some_at_a_time_and_a_run_that_was_cut_short_goes_on(self, monkeypatch):
        monkeypatch.setattr(snapshots, "TOGETHER", 2)
        tenants = [TenantFactory() for _ in range(5)]
        now = timezone.now()
        running = snapshots.take(tenants, now)
        assert next(running) == 2
        running.close()
        left = snapshots.due(tenants, now)
        assert len(left) == 3
        with CaptureQueriesContext(connection) as captured:
            assert list(snapshots.take(left, now)) == [2, 1]
        assert EnrolmentSnapshot.objects.filter(tenant__in=tenants).count() == 5
        assert sum("accounts_binding" in query["sql"] for query in captured) <= 4

    def test_the_trend_is_of_ninety_days_and_of_ones_own_tenants(self):
        mine, other = TenantFactory(), TenantFactory()
        for tenant, ago in ((mine, 0), (mine, 89), (mine, 90), (other, 0), (mine, -1)):
            note(tenant, TODAY - timedelta(days=ago))
        with CaptureQueriesContext(connection) as captured:
            assert trend([mine.pk], TODAY) == [Day(TODAY - timedelta(days=89), 10, 6, 4), Day(TODAY, 10, 6, 4)]
        assert len(captured) == 1
        assert trend([mine.pk, other.pk], TODAY)[-1] == Day(TODAY, 20, 12, 8)


def note(tenant: Tenant, day: date, missing: int = 4) -> None:
    figures = dict.fromkeys(("demanded", "overdue", "excluded", "one_loss_away"), 0)
    EnrolmentSnapshot.objects.create(
        tenant=tenant, day=day, people=10, enrolled=10 - missing, missing=missing, **figures
    )


def days(*missing: int, every: int = 1) -> list[Day]:
    """Days up to yesterday, `every` so many."""
    ago = range(len(missing) * every, 0, -every)
    return [Day(TODAY - timedelta(days=one), 100, 0, number) for one, number in zip(ago, missing, strict=True)]


class TestTheForecast:
    @pytest.mark.parametrize(
        ("known", "missing", "ahead", "expected"),
        [
            (days(90, 85, 80, 75, 70, 65, 60, 55), 50, 4, 30),
            (days(90, 85, 80, 75, 70, 65, 60, 55), 50, 30, 0),
            (days(40, 40, 40, 40, 40, 40, 40), 40, 30, 40),
            (days(10, 20, 30, 40, 50, 60, 70), 80, 30, 100),
            (days(90, 80, every=4), 70, 4, 60),
            (days(90, 80, 70), 60, 10, None),
            ([], 60, 10, None),
            (days(90, 85, 80, 75, 70, 65, 60, 55), 50, 0, None),
        ],
        ids=["on its way", "done by then", "as it is", "never more than all", "gaps", "too early", "nothing", "today"],
    )
    def test_it_goes_on_as_it_went(self, known, missing, ahead, expected):
        assert missing_on(TODAY + timedelta(days=ahead), known, today=TODAY, missing=missing) == expected

    def test_what_was_long_ago_says_nothing_of_the_pace(self):
        long_ago = [Day(TODAY - timedelta(days=60), 1000, 0, 1000)]
        assert missing_on(TODAY + timedelta(days=10), [*long_ago, *days(*[40] * 10)], today=TODAY, missing=40) == 40

    def test_the_deadline_is_that_of_the_people_who_were_there(self):
        now = datetime(2030, 5, 1, tzinfo=UTC)
        rules = Rules(version=1, grace_days=14, enforced_since=now - timedelta(days=4))
        assert deadline_ahead(rules, now) == now + timedelta(days=10)
        assert deadline_ahead(rules, now + timedelta(days=10)) is None
        for none in (None, Rules(version=1, grace_days=14), Rules(version=1, enforced_since=now)):
            assert deadline_ahead(none, now) is None
