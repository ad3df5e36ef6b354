"""Commands: they do what they say, and say what they do."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.flows import enrolment
from accounts.models import Ceremony, PendingEnrolment, Session
from tests.factories import UserFactory, session_of

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("purge_expired", *arguments, stdout=out)
    return out.getvalue()


def test_what_has_run_out_is_removed_and_nothing_else(clock):
    person = UserFactory()
    enrolment.begin_totp(person, session_of(person))
    Ceremony.objects.create(
        challenge=b"x" * 32,
        purpose="enrol",
        person=person,
        user_verification="discouraged",
        expires_at=timezone.now() + timedelta(minutes=5),
    )
    run()
    assert (Session.objects.count(), PendingEnrolment.objects.count(), Ceremony.objects.count()) == (1, 1, 1)
    clock.forward(timedelta(days=2))
    told = run("--dry-run")
    assert "sessions: 1 to remove" in told
    assert Session.objects.count() == 1
    told = run()
    for line in ("sessions: 1 removed", "ceremonies: 1 removed", "unfinished enrolments: 1 removed"):
        assert line in told
    assert (Session.objects.count(), PendingEnrolment.objects.count(), Ceremony.objects.count()) == (0, 0, 0)
