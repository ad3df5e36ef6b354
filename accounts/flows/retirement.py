"""Retiring a key: the record that nothing needs it, and that it must never seal again."""

from django.utils import timezone

from accounts import canary, key_census, keyring
from accounts.flows.key_work import require_right_keys_as_they_are
from accounts.key_errors import KeyStillNeeded, KeyWorkRefused, NoSuchKey
from accounts.models import KeyCanary
from audit.kinds import Kind
from audit.log import record, unit_of_work


def retire(key_id: str, *, dry_run: bool = False) -> bool:
    """Retire the key of this id; returns False where that was done before.

    Raises WrongKeys, NoSuchKey, or KeyStillNeeded (recorded): for the primary, while any row needs it, and while
    secrets of another site wait to be taken over, which may need any key.
    """
    try:
        if (refusal := obstacle(key_id)) is not None:
            raise refusal
        if key_id in canary.retired():
            return False
        if not dry_run:
            _retire(key_id)
    except KeyStillNeeded as refusal:
        if not dry_run:
            rows = key_census.rows_under(key_id)
            record(Kind.KEY_RETIRE_REFUSED, key=key_id, rows=rows, reason=str(refusal))
        raise
    return True


def obstacle(key_id: str) -> KeyWorkRefused | None:
    """Why this key may not be retired now; None where nothing stands in the way. `mfa_keys status` asks here too."""
    try:
        require_right_keys_as_they_are()
    except KeyWorkRefused as refusal:
        return refusal
    return _need_of(key_id)


@unit_of_work
def _retire(key_id: str) -> None:
    """Counted once more while nobody seals under it: a process that was not restarted may just have."""
    canary.hold(key_id)
    if (refusal := _need_of(key_id)) is not None:
        raise refusal
    KeyCanary.objects.filter(key_id=key_id).update(ciphertext="", retired_at=timezone.now())
    record(Kind.KEY_RETIRED, key=key_id)


def _need_of(key_id: str) -> KeyWorkRefused | None:
    ring = keyring.current()
    known = {*ring.ids, *KeyCanary.objects.values_list("key_id", flat=True)}
    if key_id == ring.primary_id:
        return KeyStillNeeded("it is the first key, under which everything new is sealed")
    if rows := key_census.rows_under(key_id):
        return KeyStillNeeded(f"{rows} rows need it; run mfa_keys rotate first")
    if key_id not in known:
        return NoSuchKey(f"There is no key {key_id!r}; manage.py mfa_keys status lists them.")
    if waiting := key_census.waiting_to_be_adopted():
        return KeyStillNeeded(f"{waiting} secrets of another site wait for mfa_keys adopt, and may need it")
    return None
