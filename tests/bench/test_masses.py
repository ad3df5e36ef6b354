"""The crowd that the database makes is one that the flows could have made."""

import pytest
from django.utils import timezone

from accounts.flows import state_check
from accounts.models import Tenant, User
from policies.models import EnrolmentSnapshot
from policies.rollout import statistics
from tests.bench import masses, naive


def test_one_tenant_has_a_tenth_of_them_all() -> None:
    assert masses._sizes(100_000, 100) == [10_000, *[909] * 98, 918]
    assert masses._sizes(3003, 3) == [300, 1351, 1352]


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_counters_of_the_masses_say_what_a_recount_says() -> None:
    big = masses.settle(3003)
    assert list(state_check.check()) == [[], [], [], []]
    assert User.objects.filter(tenant=big).count() == 300
    status = statistics.status_of([big.pk], timezone.now())[big.pk]
    assert (status.people, status.enrolled, status.with_codes, status.one_loss_away) == (300, 210, 165, 60)
    everywhere = [one.pk for one in Tenant.objects.all()]
    now = timezone.now()
    assert statistics.status_of(everywhere, now) == naive.status_of(everywhere, now)
    assert EnrolmentSnapshot.objects.filter(tenant=big).count() == 89
