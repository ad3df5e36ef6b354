"""Marks on views: how much must be proved before a request reaches them.

A view without a mark is *gated*: the policy must allow the session. Marks sit on the callable, never on a
path, so that no spelling of a URL can dodge them. `policies.middleware` reads them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise

from accounts.assurance import Method

if TYPE_CHECKING:
    from accounts.models import User
    from accounts.session_store import SessionStore

View = TypeVar("View", bound=Callable[..., Any])


class Gate(StrEnum):
    """What must hold before the view runs."""

    PUBLIC = "public"  # anybody
    PENDING = "pending"  # somebody who still owes a second factor, or more
    ENROL_ONLY = "enrol_only"  # somebody whom the policy sends to enrol, or more
    GATED = "gated"  # somebody whom the policy lets in


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision in sentences, in the language of the moment, as the policy explains it to whoever reads.

    `facts` are the inputs, each with its label, and hold no secret. `way_out` says what would end a stop;
    `satisfied_by` are the methods in it, the preferred one first. `trusted_browser_days`: for how long a browser could
    be trusted from now on. What does not apply is empty.
    """

    outcome: str
    reasons: tuple[str | Promise, ...]
    facts: tuple[tuple[str, str], ...] = ()
    deadline: str = ""
    way_out: str = ""
    version: str = ""
    contact: str = ""
    satisfied_by: tuple[Method, ...] = ()
    trusted_browser_days: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How the session of this request stands with the policy; `request.gate`, for views and templates.

    `step_up` and `enrol` say what is owed; `deadline` is the end of grace while somebody is let in without.
    `explain` tells why, where the policy judged this very request: it costs a query. `snoozes_left` says how often the
    banner of grace can still be put off, `is_snoozed` that it is put off until tomorrow.
    """

    step_up: bool = False
    enrol: bool = False
    deadline: datetime | None = None
    explain: Callable[[], Explanation] | None = None
    snoozes_left: int = 0
    is_snoozed: bool = False

    @property
    def grace(self) -> "Standing | None":
        """Itself while in grace, for the banner."""
        return self if self.deadline is not None else None

    @property
    def days_left(self) -> int:
        """Whole days until the deadline, the running one included; 0 without one."""
        if self.deadline is None:
            return 0
        return max(0, -(-(self.deadline - timezone.now()) // timedelta(days=1)))


class GatedRequest(HttpRequest):
    """An `HttpRequest` as our middleware leaves it; for annotations. Behind the gate `user` is a person."""

    session: "SessionStore"
    user: "User"
    gate: Standing


def standing_of(request: HttpRequest) -> Standing:
    """How the session of this request stands; nothing owed where the gate has not judged it."""
    return getattr(request, "gate", Standing())


def public(view: View) -> View:
    """Mark a view as open to everybody."""
    return _mark(view, Gate.PUBLIC)


def pending(view: View) -> View:
    """Mark a view as open while a second factor is owed: the second factor itself. (Help and sign-out are public.)"""
    return _mark(view, Gate.PENDING)


def enrol_only(view: View) -> View:
    """Mark a view as open to those whom the policy sends to enrol, and to those it lets in."""
    return _mark(view, Gate.ENROL_ONLY)


def gate_of(view: Callable[..., Any]) -> Gate:
    """The mark of a view callable; without one it is gated."""
    return getattr(view, "gate", Gate.GATED)


def _mark(view: View, gate: Gate) -> View:
    view.gate = gate  # type: ignore[attr-defined]
    return view
