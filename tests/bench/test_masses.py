"""The crowd that the database makes is one that the flows could have made."""

import pytest
from django.utils import timezone

from accounts.flows import state_check
from accounts.models import Tenant, User
from policies.models import EnrolmentSnapshot
from policies.rollout import statistics
from tests.bench import masses, naive

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


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
