"""Moments are told by the clock of the person's tenant, and no request leaves its clock to the next."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from tests.factories import TenantFactory, UserFactory, enrol_totp, verified_client

pytestmark = pytest.mark.django_db
NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("zone", "told"), [("Asia/Tokyo", "21:00:00+09:00"), ("America/Bogota", "07:00:00-05:00")])
def test_a_page_tells_moments_by_the_clock_of_the_tenant(zone: str, told: str) -> None:
    person = UserFactory(tenant=TenantFactory(time_zone=zone))
    enrol_totp(person)
    client = verified_client(person)
    User.objects.filter(pk=person.pk).update(last_login=NOON)
    assert f'datetime="2027-01-01T{told}"' in client.get(reverse("mfa_index")).content.decode()
    assert timezone.get_current_timezone_name() == "UTC"


def test_whoever_is_nobody_yet_is_told_by_utc() -> None:
    client = Client(HTTP_HOST="localhost")
    client.cookies["sessionid"] = "of nobody"
    assert client.get(reverse("account_login")).status_code == 200
    assert timezone.get_current_timezone_name() == "UTC"
