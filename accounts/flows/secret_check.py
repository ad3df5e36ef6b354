"""Whether every stored secret opens where it stands: read row by row, opened in memory, never shown."""

from collections.abc import Generator, Iterator
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import reset_queries
from django.views.decorators.debug import sensitive_variables

from accounts import keyring
from accounts.flows.key_work import Report, Step
from accounts.key_census import unadopted
from accounts.keyring import KeyRing, UnreadableSecret, key_id_of
from accounts.sealed import Place, places
from accounts.sealed_rows import BATCH, Fault, Row, batches, fault, fault_of, open_row
from audit.kinds import Kind
from audit.log import record

MISFILED = "misfiled"  # it opens, but the column beside it names another key
NOT_ADOPTED = "not_adopted"  # a row of stock allauth, readable as it stands


def verify(report: Report, *, size: int = BATCH) -> Generator[Step]:
    """Try every row of every place; what does not open is in the steps, raises an alarm, and is left as it is.

    Reads only, but for the event at the end and the alarms. Raises MisconfiguredKeys and DatabaseError.
    """
    ring = keyring.current()
    report.total = sum(place.holders().count() for place in places())
    for place in places():
        for rows in batches(place, size=size):
            reset_queries()
            yield report.add(_try(ring, place, rows))
    for step in _not_adopted(size):
        yield report.add(step)
    record(Kind.KEY_VERIFIED, key=ring.primary_id, opened=report.done, unreadable=report.unreadable)


def _try(ring: KeyRing, place: Place, rows: list[Row]) -> Step:
    faults = [found for row in rows if (found := _fault(ring, place, row)) is not None]
    return Step(place.label, len(rows) - len(faults), tuple(faults))


@sensitive_variables()
def _fault(ring: KeyRing, place: Place, row: Row) -> Fault | None:
    """Strict: what another site wrote does not count as readable, whatever the settings say."""
    try:
        open_row(ring, place, row)
    except UnreadableSecret as error:
        return fault_of(place, row, error)
    return None if key_id_of(row.stored or "") == row.stated else fault(place, row, MISFILED)


def _not_adopted(size: int) -> Iterator[Step]:
    """Rows of stock allauth that hold secrets and that nothing of ours takes care of."""
    last = 0
    rows = unadopted().order_by("pk").values_list("pk", "user_id", "type")
    while found := list(rows.filter(pk__gt=last)[:size]):
        yield Step("allauth", 0, tuple(_left_alone(*row) for row in found))
        last = found[-1][0]


def _left_alone(pk: int, owner: UUID, kind: str) -> Fault:
    return Fault(kind, Authenticator._meta.db_table, str(pk), str(owner), "", NOT_ADOPTED)
