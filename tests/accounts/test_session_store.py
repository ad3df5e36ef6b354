"""Our sessions: one SELECT, keys that die, columns that survive, ends that stay ended."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.utils import timezone

from accounts.assurance import Method, Proof, Strength
from accounts.flows import people
from accounts.middleware import person_of
from accounts.models import Session, User
from accounts.session_store import SessionStore, end, stored_key
from audit.models import AuditEvent
from tests.factories import UserFactory, session_of

pytestmark = pytest.mark.django_db
BACKEND = "accounts.backends.PasswordBackend"


def signed_in(person: User) -> SessionStore:
    """A session as Django's login leaves it."""
    session = session_of(person)
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = BACKEND
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    return session


def test_one_select_brings_session_person_and_tenant(django_assert_num_queries):
    key = signed_in(UserFactory()).session_key
    with django_assert_num_queries(1):
        session = SessionStore(key)
        person = person_of(session)
        assert person is not None
        assert person.tenant.policy_version == 1
        assert session.row.person == person


def test_the_table_never_holds_the_key_of_the_cookie():
    session = signed_in(UserFactory())
    row = Session.objects.get()
    assert row.session_key == stored_key(session.session_key)
    assert session.session_key not in str(Session.objects.values().get())


# security 63
def test_a_new_key_replaces_the_old_one_in_place():
    session = signed_in(UserFactory())
    old, public = session.session_key, session.row.public_id
    session.cycle_key()
    session.save()
    assert SessionStore(old).load() == {}
    assert SessionStore(session.session_key).row.public_id == public
    assert Session.objects.count() == 1


@pytest.mark.security(63)
def test_what_is_proved_is_never_written_under_the_old_key(django_assert_num_queries):
    person = UserFactory()
    session = signed_in(person)
    old, proved = session.session_key, Session.objects.get().proofs
    session.prove(person, Proof(method=Method.TOTP, at=timezone.now(), binding=uuid.uuid4()))
    session.cycle_key()
    assert (session.session_key != old, Session.objects.get().proofs) == (True, proved)
    with django_assert_num_queries(1):
        session.save()
    assert SessionStore(old).load() == {}
    assert len(SessionStore(session.session_key).row.proofs) == 2


@pytest.mark.security(63, 68)
def test_of_two_new_keys_for_one_session_one_is_saved():
    session = signed_in(UserFactory())
    one, other = SessionStore(session.session_key), SessionStore(session.session_key)
    one.cycle_key()
    other.cycle_key()
    one.save_new_key()
    with pytest.raises(UpdateError):
        other.save_new_key()
    assert Session.objects.get().session_key == stored_key(one.session_key)
    assert SessionStore(other.session_key).load() == {}


@pytest.mark.security(63)
def test_a_key_that_changes_twice_before_it_is_saved_replaces_the_one_in_the_table():
    session = signed_in(UserFactory())
    for _each in range(2):
        session.cycle_key()
    session.touch(timezone.now() + timedelta(minutes=6))
    session.save_new_key()
    assert Session.objects.get().session_key == stored_key(session.session_key)
    session.cycle_key()
    session.flush()
    assert Session.objects.get().status == "ended"
    assert Session.objects.get().last_seen_at > timezone.now() + timedelta(minutes=5)


def test_where_no_new_key_waits_nothing_is_saved_before_its_time(django_assert_num_queries):
    session = signed_in(UserFactory())
    session["more"] = 1
    with django_assert_num_queries(0):
        session.save_new_key()


def test_a_second_save_writes_what_changed_since_and_else_nothing(django_assert_num_queries):
    session = signed_in(UserFactory())
    with django_assert_num_queries(0):
        session.save()
    for change in (
        lambda: session.update({"more": 1}),
        lambda: session.change(replacement_open=True),
        session.cycle_key,
    ):
        change()
        with django_assert_num_queries(1):
            session.save()
        with django_assert_num_queries(0):
            session.save()
    again = SessionStore(session.session_key)
    assert (again["more"], again.row.replacement_open) == (1, True)


# security 68
def test_an_ended_session_cannot_be_saved_back_to_life():
    session = signed_in(UserFactory())
    end(Session.objects.all())
    session["more"] = 1
    with pytest.raises(UpdateError):
        session.save()
    assert SessionStore(session.session_key).load() == {}
    row = Session.objects.get()
    assert (row.session_data, row.proofs, row.status) == ("", [], "ended")


def test_a_save_leaves_columns_alone_that_it_did_not_change():
    session = signed_in(UserFactory())
    Session.objects.update(replacement_open=True)
    session["more"] = 1
    session.save()
    assert Session.objects.get().replacement_open


# security 64
def test_no_session_outlives_its_first_day_however_often_it_is_saved(clock):
    session = signed_in(UserFactory())
    clock.forward(timedelta(hours=23))
    session = SessionStore(session.session_key)
    session["more"] = 1
    session.save()
    clock.forward(timedelta(hours=1, seconds=1))
    assert SessionStore(session.session_key).load() == {}


def test_last_seen_is_written_at_most_once_in_five_minutes(django_assert_num_queries):
    session = signed_in(UserFactory())
    with django_assert_num_queries(0):
        session.touch(timezone.now() + timedelta(minutes=4))
    with django_assert_num_queries(1):
        session.touch(timezone.now() + timedelta(minutes=6))


def test_what_was_proved_about_one_person_is_nothing_about_another():
    one, other = UserFactory(), UserFactory()
    session = session_of(one)
    assert [proof.method for proof in session.proofs_of(one)] == [Method.PASSWORD]
    assert session.proofs_of(other) == ()
    session.start_proving(other, Proof(method=Method.PASSWORD, at=timezone.now()))
    assert session.proofs_of(one) == ()


def test_a_new_proof_voids_the_grant():
    person = UserFactory()
    session = signed_in(person)
    session.change(grant_security_version=1, grant_tenant=person.tenant_id)
    session.prove(person, Proof(method=Method.PASSWORD, at=timezone.now()))
    session.save()
    assert Session.objects.get().grant_security_version is None


def test_strength_and_mfa_verified_derive_from_proofs_alone():
    session = signed_in(UserFactory())
    row = Session.objects.get(public_id=session.row.public_id)
    assert (row.strength, row.mfa_verified) == (Strength.SINGLE_FACTOR, False)


@pytest.mark.parametrize("broken", ["password", "backend", "inactive", "person"])
def test_djangos_checks_are_kept(broken):
    person = UserFactory()
    session = signed_in(person)
    if broken == "password":
        person.set_password("another long pass phrase")
        person.save()
    elif broken == "backend":
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session.save()
    elif broken == "inactive":
        User.objects.update(is_active=False)
    else:
        session[SESSION_KEY] = str(UserFactory().pk)
        session.save()
        Session.objects.update(person_id=person.pk)
    assert person_of(SessionStore(session.session_key)) is None


@pytest.mark.security(68)
def test_a_session_of_an_old_password_is_ended_and_recorded_once():
    person = UserFactory()
    session = signed_in(person)
    people.set_password(User.objects.get(pk=person.pk), "another long pass phrase")
    loaded = SessionStore(session.session_key)
    assert loaded.row.person_id == person.pk
    assert person_of(SessionStore(session.session_key)) is None
    assert person_of(loaded) is None
    event = AuditEvent.objects.get(kind="session:ended")
    assert (event.target_id, event.payload) == (
        str(person.pk),
        {"session": str(session.row.public_id), "reason": "password_changed"},
    )
    assert Session.objects.get(public_id=session.row.public_id).ended_at is not None


def test_a_secret_key_in_fall_back_still_opens_and_moves_on(settings):
    session = signed_in(UserFactory())
    old_key = session.session_key
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "x" * 50
    again = SessionStore(old_key)
    assert person_of(again) is not None
    again.save()
    assert again.session_key != old_key


async def _everything_async(person: User) -> None:
    session = SessionStore()
    await session.aset("a", 1)
    await session.acreate()
    key = session.session_key
    assert await session.aexists(key)
    assert await SessionStore(key).aget("a") == 1
    await session.acycle_key()
    await session.asave()
    assert not await SessionStore(key).aget("a")
    await session.aflush()


@pytest.mark.django_db(transaction=True)
def test_the_asynchronous_path_does_the_same():
    from asgiref.sync import async_to_sync

    async_to_sync(_everything_async)(UserFactory())


def test_expired_sessions_are_cleared(clock):
    signed_in(UserFactory())
    clock.forward(timedelta(days=2))
    SessionStore.clear_expired()
    assert not Session.objects.exists()


def test_a_touch_alone_does_not_replace_what_verified_the_user():
    person, key = UserFactory(), uuid.uuid4()
    session = session_of(person, Proof(method=Method.WEBAUTHN, at=timezone.now(), binding=key, user_verified=True))
    session.prove(person, Proof(method=Method.WEBAUTHN, at=timezone.now(), binding=key))
    assert [proof.user_verified for proof in session.proofs_of(person)] == [True, False]


def test_a_sign_in_that_begins_anew_is_in_no_browser_yet():
    person = UserFactory()
    session = session_of(person)
    session.change(browser=uuid.uuid4(), grant_security_version=1)
    session.start_proving(person, Proof(method=Method.PASSWORD, at=timezone.now()))
    session.save()
    assert Session.objects.values_list("browser", "grant_security_version").get() == (None, None)


def under_way(person: User) -> SessionStore:
    """The session of a sign-in of this person, as the next request finds it."""
    return SessionStore(session_of(person).session_key)


@pytest.mark.security(59)
def test_whose_sign_in_is_under_way_comes_along_and_is_not_signed_in(django_assert_num_queries):
    person = UserFactory()
    session = under_way(person)
    with django_assert_num_queries(1):
        assert session.proving == person
        assert session.proving.tenant.policy_version == 1
        assert (session.person, session.row.person_id, person_of(session)) == (None, None, None)
    assert session.row.status == "pending"


@pytest.mark.security(59)
def test_of_a_session_that_is_somebodys_nobody_is_under_way():
    person, other = UserFactory(), UserFactory()
    key = signed_in(person).session_key
    Session.objects.update(proving=other.pk)
    session = SessionStore(key)
    assert (session.person, session.proving) == (person, None)


def test_nobody_is_under_way_in_a_sign_in_that_began_anew_or_a_session_that_ended():
    person, other = UserFactory(), UserFactory()
    session = under_way(person)
    assert session.proving == person
    session.start_proving(other, Proof(method=Method.PASSWORD, at=timezone.now()))
    assert session.proving is None
    session.save()
    again = SessionStore(session.session_key)
    assert again.proving == other
    again.flush()
    assert again.proving is None
    assert Session.objects.get(public_id=session.row.public_id).proving is None
