"""Recording what happened, in the transaction of what happened: if it cannot be recorded, it does not happen.

@unit_of_work
def rename(binding, name, *, actor):
    ...
    record(Kind.AUTHENTICATOR_RENAMED, actor=actor, target=binding.person, before=before, after=name)
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, overload

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from audit import ledger
from audit.catalogue import CATALOGUE
from audit.declarations import Outcome
from audit.entries import Entry, entry_of
from audit.kinds import Kind

__all__ = ["Kind", "Outcome", "joined_unit", "record", "unit_of_work"]


P = ParamSpec("P")
R = TypeVar("R")


def record(
    kind: Kind,
    *,
    actor: Any = None,
    target: Any = None,
    tenant: Any = None,
    outcome: Outcome | None = None,
    **payload: Any,
) -> None:
    """Record one event, at the end of the unit of work around it, or at once where there is none.

    `actor` and `target` are model instances; without an actor it is the request's person, "anonymous" in a
    request without one, "system" outside requests. `tenant` is an instance or its id; without one it is the
    target's `tenant_id`, else the actor's, else none (the platform's chain). `outcome` defaults to what the kind
    declares; payload values that are None are left out.

    Raises UndeclaredKind, UndeclaredField, WrongFieldType, KeyMissing and database errors; let them pass.
    """
    entry = entry_of(CATALOGUE[kind], actor, target, tenant, outcome, payload)
    if _open.unit is not None:
        _open.unit.add(entry)
        return
    with transaction.atomic(savepoint=False):  # a failure dooms the transaction around it too
        ledger.append(transaction.get_connection(), [entry])


@overload
def unit_of_work(function: None = None) -> AbstractContextManager[None]: ...
@overload
def unit_of_work(function: Callable[P, R]) -> Callable[P, R]: ...
def unit_of_work(function: Callable[P, R] | None = None) -> AbstractContextManager[None] | Callable[P, R]:
    """`transaction.atomic` whose events are written last: `@unit_of_work` or `with unit_of_work():`.

    A unit inside another joins it; if the inner one fails alone, only its own changes and events are dropped.
    The outermost writes the events just before it commits, so the chains are locked for a moment only. Raises
    what `record` raises, and TypeError for a coroutine function: transactions are synchronous.
    """
    if function is None:
        return _unit()
    if iscoroutinefunction(function):
        raise TypeError("A unit of work is synchronous; call it through sync_to_async.")

    @wraps(function)
    def in_a_unit(*args: P.args, **kwargs: P.kwargs) -> R:
        with _unit():
            return function(*args, **kwargs)

    return in_a_unit


def joined_unit() -> AbstractContextManager[None]:
    """The unit of work around it, or else one of its own: for changes that stand or fall with all of that unit.

    It sets no savepoint: what fails inside undoes the whole, even where somebody catches it.
    """
    return _unit(savepoint=False)


@contextmanager
def _unit(*, savepoint: bool = True) -> Iterator[None]:
    with transaction.atomic(savepoint=savepoint or _open.unit is None):
        if _open.unit is not None:
            yield
            return
        unit = _open.unit = _Unit(transaction.get_connection())
        try:
            yield
        finally:
            _open.unit = None
        unit.write()


class _Unit:
    """The events of one outermost unit, until they are written."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.depth = len(connection.savepoint_ids)
        self.pending: list[tuple[Entry, _Witness | None]] = []

    def add(self, entry: Entry) -> None:
        witness = None
        if len(self.connection.savepoint_ids) > self.depth:
            transaction.on_commit(witness := _Witness())
        self.pending.append((entry, witness))

    def write(self) -> None:
        """Append what still stands; nothing if the transaction is bound to be rolled back."""
        if self.pending and not self.connection.needs_rollback:
            standing = {id(hook[1]) for hook in self.connection.run_on_commit}  # savepoints, callback, robust
            entries = [entry for entry, witness in self.pending if witness is None or id(witness) in standing]
            ledger.append(self.connection, entries)


class _Witness:
    """Tells whether a savepoint still stands: Django forgets the commit callbacks of those it rolled back."""

    def __call__(self) -> None:
        """Nothing is left to do on commit."""


class _Open(threading.local):
    """The unit of this thread, which is the scope of Django's connections too."""

    unit: _Unit | None = None


_open = _Open()
