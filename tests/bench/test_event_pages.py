"""What the bench asks of the list of events, on a record of some hundred."""

from uuid import UUID

import pytest

from accounts.models import Tenant
from audit.verification import verify
from tests.bench.gatehouse import event_pages, events

COUNT = 2 * events.RARE  # so that the rare ones are among them


@pytest.mark.postgres
@pytest.mark.django_db
def test_every_question_of_the_bench_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_pages, "ROUNDS", 1)
    first = UUID(int=events.FIRST)
    Tenant.objects.create(pk=first, name="Firm 1", slug="firm-1")
    events._make_chain(first, COUNT)
    taken = event_pages.measure()
    assert taken.keys() == event_pages._questions().keys()
    assert all(0 < each["queries"] <= event_pages.MOST_QUERIES for each in taken.values())
    [verdict] = verify([first], since=None, processes=1, progress=lambda events: None)
    assert verdict.finding is None
    assert verdict.events >= COUNT
