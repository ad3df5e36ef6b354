"""One session against its tenant's policy: the grant that makes it cheap, and the judgement behind it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from accounts.flows import browsers
from accounts.models import User
from policies import demands, engine, facts
from policies.terms import Decision, Facts, Outcome, Rules

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision with the rules it was made by; `report` is what the version in report-only would have decided."""

    decision: Decision
    rules: Rules | None
    report: Decision | None = None

    @property
    def facts(self) -> Facts:
        return self.decision.facts

    @property
    def would_stop(self) -> int | None:
        """The version in report-only that would have stopped what is let in."""
        if self.report is None or self.report.is_allowed or not self.decision.is_allowed:
            return None
        return self.report.policy_version

    @property
    def valid_until(self) -> datetime | None:
        """Until when neither this decision nor the reported one changes by time alone."""
        ends = [one.valid_until for one in (self.decision, self.report) if one is not None and one.valid_until]
        return min(ends, default=None)


def holds_grant(session: "SessionStore", person: User, now: datetime) -> bool:
    """Whether the session's last *allow* still stands. The hot path: comparisons only, no query.

    Compared with rows read for this very request, so a published policy or a changed person voids the grant
    at once, on every machine.
    """
    row, tenant = session.row, person.tenant
    return (
        row.grant_security_version == person.security_version
        and row.grant_policy_version == tenant.policy_version
        and row.grant_tenant == tenant.pk
        and row.grant_role == role_mark(person)
        and row.grant_floor == facts.floor_digest()
        and tenant.is_active
        and person.is_active
        and (row.grant_valid_until is None or now < row.grant_valid_until)
        and (now - row.last_seen_at).total_seconds() < (row.grant_idle or 0)
    )


def role_mark(person: User) -> str:
    """The person's role as the grant keeps it, so that even a raw UPDATE of the role is noticed."""
    return f"{person.role}+" if person.is_superuser else person.role


def judge(
    session: "SessionStore",
    person: User,
    now: datetime | None = None,
    *,
    trusting: bool = True,
    token: str | None = None,
) -> Judgement:
    """Ask the engine about this session; two queries (rules, and what the person owns).

    A third where the policy trusts browsers and this one is known, unless not `trusting`. `token` is what the browser
    of a sign-in that begins calls itself: only where browsers are trusted is it looked up, and noted on the session.
    """
    now = now or timezone.now()
    found = facts.situation(person, session.proofs_of(person), signed_in_at=session.row.signed_in_at)
    seen = found.facts
    if trusting and found.rules is not None and found.rules.trusted_browser_days:
        if token is not None:
            browsers.recall(person, session, token)
        seen = replace(seen, trusted_since=browsers.trusted_since(person, session.row.browser))
    report = None if found.report is None else engine.decide(found.report, seen, now)
    return Judgement(engine.decide(found.rules, seen, now), found.rules, report)


def keep(session: "SessionStore", person: User, judgement: Judgement) -> None:
    """Store an *allow* as the session's grant, under what the tenant's newest version was when this request began."""
    decision, rules = judgement.decision, judgement.rules
    if rules is None or not decision.is_allowed:
        return
    session.change(
        grant_tenant=person.tenant_id,
        grant_role=role_mark(person),
        grant_policy_version=person.tenant.policy_version,
        grant_floor=facts.floor_digest(),
        grant_security_version=person.security_version,
        grant_valid_until=judgement.valid_until,
        grant_deadline=decision.deadline if decision.outcome is Outcome.ALLOW_IN_GRACE else None,
        grant_idle=int(demands.idle_limit(rules, judgement.facts).total_seconds()),
    )


def lets_in(session: "SessionStore", person: User, now: datetime) -> bool:
    """Whether the gate would let a request of this session through now, as it lets one through: nothing is kept."""
    if holds_grant(session, person, now):
        return True
    judgement = judge(session, person, now)
    return judgement.decision.is_allowed and not is_idle(session, judgement, now)


def is_idle(session: "SessionStore", judgement: Judgement, now: datetime) -> bool:
    """Whether a signed-in session lay unused longer than the policy lets it."""
    if judgement.rules is None:
        return False
    return now - session.row.last_seen_at >= demands.idle_limit(judgement.rules, judgement.facts)
