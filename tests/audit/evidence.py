"""Stand-ins for what events name, and the judgement over a chain that several tests need."""

from collections.abc import Iterable
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
