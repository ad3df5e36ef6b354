"""Resetting somebody: shown, reasoned, fresh, felt at once, never for oneself or a stranger."""

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.errors import NotAllowed, NotFresh
from accounts.flows import reset
from accounts.flows.intervention_rules import ReasonMissing, Word
from accounts.models import AddressAnchor, Binding, Session, User
from audit.models import AuditEvent
from tests.accounts import acts_scene
from tests.accounts.acts_scene import fresh
from tests.accounts.test_verification import in_parallel
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    session_of,
    verified_client,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.mark.security(55, 56)
def test_a_reset_takes_factors_and_sessions_and_closes_grace(actor, django_capture_on_commit_callbacks):
    person = UserFactory(tenant=actor.tenant)
    client = verified_client(person)
    enrol_recovery_codes(person)
    seen = reset.preview(person)
    assert [str(line) for line in seen.removes] == ["Authenticator app", "10 recovery codes"]
    with django_capture_on_commit_callbacks(execute=True):
        acts_scene.reset(person, actor=actor, session=fresh(actor))
    person.refresh_from_db()
    assert not Binding.objects.filter(person=person, unbound_at=None).exists()
    assert (person.mfa_enrolled_at, person.grace_closed_at is not None) == (None, True)
    assert not AddressAnchor.objects.filter(grace_closed_at=None, known_since=person.known_since).exists()
    assert client.get(reverse("home"))["Location"].startswith(reverse("account_login"))
    event = AuditEvent.objects.get(kind="mfa:reset")
    assert (event.actor_id, event.target_id, event.payload["reason"]) == (
        str(actor.pk),
        str(person.pk),
        acts_scene.WORD.reason,
    )
    notice = next(message for message in mail.outbox if message.to == [person.email])
    assert "reset" in notice.subject.lower()


@pytest.mark.security(62)
def test_after_a_reset_there_is_no_grace(actor):
    person = UserFactory(tenant=actor.tenant)
    enrol_totp(person)
    acts_scene.reset(person, actor=actor, session=fresh(actor))
    client = Client()
    client.post(reverse("account_login"), {"login": person.email, "password": "a long enough pass phrase"})
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_enrol"))


@pytest.mark.parametrize("whom", ["self", "stranger", "root"])
def test_nobody_resets_themselves_strangers_or_superiors(actor, whom):
    person = {
        "self": actor,
        "stranger": UserFactory(tenant=TenantFactory()),
        "root": UserFactory(tenant=actor.tenant, is_superuser=True),
    }[whom]
    with pytest.raises(NotAllowed):
        acts_scene.reset(person, actor=actor, session=fresh(actor))
    assert AuditEvent.objects.filter(kind="intervention:refused", target_id=str(person.pk)).exists()
    assert not AuditEvent.objects.filter(kind="mfa:reset").exists()


def test_it_needs_a_fresh_factor_and_words(actor):
    person = UserFactory(tenant=actor.tenant)
    enrol_totp(person)
    enrol_totp(actor)
    with pytest.raises(NotFresh):
        acts_scene.reset(person, actor=actor, session=session_of(actor))
    for word in (
        Word(reason="  ", verified_how="video"),
        *(Word(reason="lost", verified_how=one) for one in ("", "x")),
    ):
        with pytest.raises(ReasonMissing):
            acts_scene.ask(person, actor, word=word)
    assert live_binding(person)


@pytest.mark.postgres
@pytest.mark.security(61)
@pytest.mark.django_db(transaction=True)
def test_a_reset_and_an_enrolment_at_once_leave_one_state_or_the_other():
    from django.utils import timezone

    from accounts.authenticators import totp
    from accounts.flows import enrolment

    actor = AdministratorFactory(tenant=TenantFactory())
    session = fresh(actor)
    for _ in range(5):
        person = UserFactory(tenant=actor.tenant)
        mine = session_of(person)
        secret = enrolment.begin_totp(person, mine)
        code = totp.code_at(secret, totp.step_at(timezone.now()))

        def race(number, person=person, mine=mine, code=code):
            if number:
                enrolment.confirm_totp(User.objects.get(pk=person.pk), mine, code)
            else:
                acts_scene.reset(person, actor=actor, session=session)

        in_parallel(2, race)
        person.refresh_from_db()
        bound = Binding.objects.filter(person=person, unbound_at=None).exists()
        assert bound == (person.mfa_enrolled_at is not None)
        assert person.grace_closed_at is not None
        assert not (bound and not Session.objects.filter(public_id=mine.row.public_id, ended_at=None).exists())
