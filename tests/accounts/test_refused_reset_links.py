"""Links for a new password that do not work: recorded about whom they name, and not without end."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.flows import password_reset, throttles
from accounts.models import User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    person: User = UserFactory()
    return person


def refused() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(kind=Kind.PASSWORD_RESET_REFUSED).order_by("id"))


@pytest.mark.security(88)
def test_a_wrong_link_is_recorded_about_whom_it_names(person: User) -> None:
    right = password_reset.link_for(person).rpartition("/accounts/")[2]
    assert Client().get(f"/accounts/{right}").status_code == 200
    assert refused() == []
    wrong = Client().get(f"/accounts/{right.rstrip('/')}x/")
    assert wrong.context["token_fail"]
    [event] = refused()
    assert (event.target_id, event.tenant_id, event.outcome) == (str(person.pk), person.tenant_id, "refused")
    assert event.payload == {"reason": "link_invalid"}


def test_one_that_names_nobody_is_recorded_about_nobody() -> None:
    address = reverse("account_reset_password_from_key", kwargs={"uidb36": "0", "key": "a-b"})
    assert Client().get(address).context["token_fail"]
    [event] = refused()
    assert (event.target_id, event.tenant_id) == ("", None)


def test_of_one_network_a_few_are_recorded() -> None:
    for _each in range(throttles.REFUSED_LINKS.count + 3):
        password_reset.note_refused(None)
    assert len(refused()) == throttles.REFUSED_LINKS.count
