"""Retiring a key: refused while anything needs it, recorded, and never to be primary again."""

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from accounts import canary, keyring
from accounts.authenticators import totp
from accounts.canary import Verdict
from accounts.errors import SecretsUnavailable
from accounts.flows import enrolment, retirement
from accounts.key_errors import KeyStillNeeded, NoSuchKey, WrongKeys
from accounts.models import Binding, KeyCanary, PendingEnrolment
from audit.kinds import Kind
from tests.accounts.sealed_scene import (
    add_key,
    apps,
    damage,
    events,
    everybody_gets_in,
    id_of,
    new_key,
    rotate,
    sign_in,
    stored,
    under,
)
from tests.accounts.test_mfa_keys import Answer
from tests.factories import UserFactory, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.security(86)]


def test_a_key_that_nothing_needs_is_retired_once(settings):
    secrets = apps(2)
    old = keyring.primary_key_id()
    add_key(settings)
    rotate()
    assert retirement.retire(old) is True
    assert retirement.retire(old) is False
    assert [event.payload for event in events(Kind.KEY_RETIRED)] == [{"key": old}]
    row = KeyCanary.objects.get(key_id=old)
    assert (row.ciphertext, row.retired_at is not None) == ("", True)
    assert canary.verdict() is Verdict.OK
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[:1]
    assert (canary.verdict(), everybody_gets_in(secrets)) == (Verdict.OK, True)


def test_a_key_that_one_row_needs_stays_and_the_refusal_is_recorded(settings):
    people = list(apps(3))
    old = keyring.primary_key_id()
    kept = stored(people[0])
    add_key(settings)
    rotate()
    damage(people[0], kept)
    with pytest.raises(KeyStillNeeded, match="1 rows need it"):
        retirement.retire(old)
    assert events(Kind.KEY_RETIRE_REFUSED)[-1].payload["rows"] == 1
    assert not events(Kind.KEY_RETIRED)


def test_a_column_that_names_it_is_enough_to_keep_it(settings):
    apps(1)
    old = keyring.primary_key_id()
    add_key(settings)
    rotate()
    Binding.objects.update(sealed_under=old)
    with pytest.raises(KeyStillNeeded):
        retirement.retire(old)


def test_the_first_key_and_unknown_ones_are_not_retired(settings):
    with pytest.raises(KeyStillNeeded, match="first key"):
        retirement.retire(keyring.primary_key_id())
    with pytest.raises(NoSuchKey, match="deadbeef"):
        retirement.retire("deadbeef")
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    with pytest.raises(WrongKeys):
        retirement.retire("deadbeef")


def test_while_another_sites_secrets_wait_no_key_goes(settings):
    [person] = apps(1)
    old = keyring.primary_key_id()
    damage(person, Fernet(settings.MFA_ENCRYPTION_KEYS[0]).encrypt(b"JBSWY3DPEHPK3PXP").decode())
    Binding.objects.update(sealed_under="")
    add_key(settings)
    with pytest.raises(KeyStillNeeded, match="1 secrets of another site"):
        retirement.retire(old)


def test_a_retired_key_in_front_again_is_a_wrong_key_and_seals_nothing(settings):
    apps(1)
    old, old_key = keyring.primary_key_id(), settings.MFA_ENCRYPTION_KEYS[0]
    add_key(settings)
    rotate()
    retirement.retire(old)
    settings.MFA_ENCRYPTION_KEYS = [old_key, settings.MFA_ENCRYPTION_KEYS[0]]
    assert (canary.verdict(), canary.ensure()) == (Verdict.UNREADABLE, Verdict.UNREADABLE)
    assert not canary.is_healthy()
    settings.MFA_ENCRYPTION_KEYS = [old_key]
    assert canary.verdict() is Verdict.UNREADABLE


def test_a_process_that_was_not_restarted_seals_no_app_under_a_retired_key(settings):
    begun, fresh = UserFactory(), UserFactory()
    session = session_of(begun)
    old = settings.MFA_ENCRYPTION_KEYS
    add_key(settings)
    secret = enrolment.begin_totp(begun, session)
    retirement.retire(id_of(old[0]))
    settings.MFA_ENCRYPTION_KEYS = [*old, *settings.MFA_ENCRYPTION_KEYS[:1]]
    settings_of_old = canary._Observation(tuple(settings.MFA_ENCRYPTION_KEYS), Verdict.OK, 0.0)
    with pytest.MonkeyPatch.context() as memory:
        memory.setattr(canary, "_last", settings_of_old)
        assert canary.is_healthy()
        with pytest.raises(SecretsUnavailable):
            enrolment.begin_totp(fresh, session_of(fresh))
        with pytest.raises(SecretsUnavailable):
            enrolment.confirm_totp(begun, session, totp.code_at(secret, totp.step_at(timezone.now())))
    assert not Binding.objects.exists()
    assert PendingEnrolment.objects.get().sealed_under != id_of(old[0])


@pytest.mark.parametrize("word", ["rotate", "adopt", "retire"])
def test_under_a_primary_that_does_not_open_its_own_canary_nothing_is_begun(settings, word):
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    people = apps(2)
    old = keyring.primary_key_id()
    KeyCanary.objects.filter(key_id=add_key(settings)).update(ciphertext="damaged")
    answer = Answer(word, *([old] if word == "retire" else []))
    assert (answer.code, under(people)) == (2, {old})
    assert "The key canary is primary_unreadable" in answer.err
    person, secret = next(iter(people.items()))
    sign_in(person, secret)


def test_the_command_retires_and_says_what_comes_next(settings):
    apps(1)
    old = keyring.primary_key_id()
    add_key(settings)
    assert (refused := Answer("retire", old)).code == 2
    assert "1 rows need it; run mfa_keys rotate first" in refused.err
    rotate()
    assert "it may go" in Answer("retire", old, "--dry-run").out
    assert not events(Kind.KEY_RETIRED)
    assert "Take it out of MFA_ENCRYPTION_KEYS" in Answer("retire", old).out
    assert Answer("retire", old, "--json").json == {"key": old, "retired": True, "before": True}
    assert f"{old}  retired" in Answer("status").out
