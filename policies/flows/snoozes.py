"""Putting the banner of grace off until tomorrow, as often as the policy allows. The deadline stays where it is.

How often, and until when, stands on the person's row, which every request reads anyway; how often the policy allows
stands in the session, beside the grant. So no request asks for it.
"""

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import F, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.gates import Standing, standing_of
from accounts.models import User
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import demands, enforcement, facts
from policies.errors import PolicyError
from policies.terms import Rules

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

_ALLOWED: Final = "snoozes"  # in the session: how often the policy of its grant lets the banner be put off


class NoSnoozeLeft(PolicyError):
    """The policy allows none, or none any more, or nothing is left to be put off."""

    code = "no_snooze_left"
    message = _("This cannot be put off any more. Set up two-step verification now.")


def keep(session: "SessionStore", rules: Rules) -> None:
    """Note beside a grant of grace how often its policy lets the banner be put off."""
    if session.get(_ALLOWED, 0) != rules.snoozes:
        session[_ALLOWED] = rules.snoozes


def standing(session: "SessionStore", person: User, deadline: datetime, now: datetime) -> Standing:
    """How a session in grace stands, with what the banner needs; no query.

    On the last day nothing can be put off: tomorrow would be too late.
    """
    left = session.get(_ALLOWED, 0) - person.snoozes_used
    if left > 0 and tomorrow(person, now) >= deadline:
        left = 0
    is_snoozed = person.snoozed_until is not None and now < person.snoozed_until
    return Standing(deadline=deadline, snoozes_left=max(0, left), is_snoozed=is_snoozed)


def seen_by(request: HttpRequest) -> Standing:
    """How the session stands, for a page; where the gate judged nothing (help, errors) by a grant that still holds.

    No query but the session's own, which the page's name asks for anyway. Whoever signs out with this request is
    nobody, and a grant that does not hold promises nothing: only the gate renews it.
    """
    judged, session, person = standing_of(request), getattr(request, "session", None), getattr(request, "user", None)
    if judged != Standing() or session is None or not isinstance(person, User):
        return judged
    now = timezone.now()
    if not enforcement.holds_grant(session, person, now):
        return judged
    deadline = session.row.grant_deadline
    return judged if deadline is None else standing(session, person, deadline, now)


@unit_of_work
def snooze(person: User) -> datetime:
    """Hide the banner until the next day begins where the person's tenant is; once a day, however often it is asked.

    Returns until when. Raises NoSnoozeLeft.
    """
    found, now = facts.situation(person, owned=()), timezone.now()
    deadline = None if found.rules is None else demands.deadline_of(found.rules, found.facts)
    until = tomorrow(person, now)
    if found.rules is None or deadline is None or deadline <= until:
        raise NoSnoozeLeft
    row = User.objects.filter(pk=person.pk)
    due = row.filter(Q(snoozed_until=None) | Q(snoozed_until__lte=now), snoozes_used__lt=found.rules.snoozes)
    if due.update(snoozes_used=F("snoozes_used") + 1, snoozed_until=until) == 1:
        left = found.rules.snoozes - row.values_list("snoozes_used", flat=True).get()
        record(Kind.DEADLINE_SNOOZED, actor=person, target=person, until=until, left=left)
    elif not row.filter(snoozed_until__gt=now).exists():
        raise NoSnoozeLeft
    return until


def tomorrow(person: User, now: datetime) -> datetime:
    """When the next day begins where the person's tenant is."""
    zone = person.tenant.zone
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time.min, zone)
