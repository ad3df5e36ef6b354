"""Stand-ins for what events name, what is done to events, and the judgement over a chain that several tests need."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from audit import chain, keys
from audit.models import AuditChain, AuditEvent

HOSTILE = 'Ä "quoted" \\ %s %(x)s {0} \u202e\r\n\x1f \U0001f511 </script>'


@dataclass
class Person:
    """What recording needs of a person, an object with a label in a tenant."""

    email: str = "anna@acme.example"
    pk: UUID = field(default_factory=uuid4)
    tenant_id: UUID | None = field(default_factory=uuid4)
    is_authenticated: bool = True
    _meta: Any = field(default_factory=lambda: SimpleNamespace(label_lower="accounts.user"))

    def __str__(self) -> str:
        return self.email


def events_of(chain_id: UUID | None) -> list[AuditEvent]:
    """The events of a tenant's chain (None: the platform's), first to last."""
    return list(AuditEvent.objects.filter(chain=chain_id or chain.PLATFORM).order_by("sequence"))


def erased(event: Any) -> dict[str, Any]:
    """The columns of an event without what is personal in it, its digests left in their place."""
    digests = chain.digests_of(event)
    personal = {name.removeprefix(chain.PAYLOAD) for name in digests}
    payload = {name: value for name, value in event.payload.items() if name not in personal}
    return dict.fromkeys(chain.PERSONAL_COLUMNS, "") | {"salts": {}, "payload": payload, "digests": digests}


def in_the_first_form(event: Any) -> dict[str, Any]:
    """The form and the digests with which an event was recorded in the beginning; it must be hashed anew."""
    return {"form": chain.BESIDE_COPIES, "digests": chain.digests_of(event)}


def changed(event: Any, columns: Mapping[str, Any]) -> Any:
    """The event, with these values in its columns."""
    for name, value in columns.items():
        setattr(event, name, value)
    return event


def seal_anew(events: Iterable[Any], previous: str = chain.GENESIS) -> None:
    """As recording does it, with the key."""
    key = keys.primary()
    for event in events:
        event.prev_hash = previous
        event.hash = previous = chain.link(previous, chain.canonical(event))
        event.mac, event.key_id = key.authenticate(previous), key.id


def first_fault(events: Iterable[AuditEvent], head: AuditChain | None = None) -> chain.Fault | None:
    """What is wrong with a chain, or None; with its head, a missing end is seen too."""
    previous, sequence = chain.GENESIS, 0
    for event in events:
        sequence += 1
        if fault := chain.fault_of(event, sequence, previous, keys.by_id()):
            return fault
        previous = event.hash
    if head is not None and (head.sequence, head.hash) != (sequence, previous):
        return chain.Fault.OUT_OF_SEQUENCE
    return None


def assert_whole(chain_id: UUID | None, *, length: int) -> None:
    """No gap, no fork, no edit, `length` events, and a head that names the last one."""
    head = AuditChain.objects.get(pk=chain_id or chain.PLATFORM)
    events = events_of(chain_id)
    assert [event.sequence for event in events] == list(range(1, length + 1))
    assert first_fault(events, head) is None
