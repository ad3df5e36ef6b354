"""Sensitive things: what a session may do to its owner's authenticators. Pure, as the engine is.

Freshness counts factors that vouch for the person: never a password or a trusted browser where a factor
exists, never a factor enrolled a minute ago where an older one does, never a lesser one than the best the
account has (security 51; NIST SP 800-63B-4 §4.1.2.1). "Highest" is read by the strength of the method, not by
AAL: with a key at home nobody rebinds an account by a code he phished. Past a lost key there is one way, which
the session grants by itself: a sign-in by recovery code may replace one factor.
"""

from datetime import datetime
from uuid import UUID

from accounts.assurance import ADMISSIONS, SECOND_FACTORS, Method, Proof
from policies.demands import TIER, acceptable, counts, in_order, is_accepted, is_demanded, personal
from policies.engine import AHEAD
from policies.terms import Enrolled, Facts, Rules


def is_fresh(rules: Rules, facts: Facts, now: datetime) -> bool:
    """Whether this session may do sensitive things: within `fresh_for` it proved what vouches for its owner.

    Where nothing is enrolled that is a first factor, so nobody types a password twice to enrol; a mailed link or an
    access pass comes beside it, and never in its place. Everywhere else only a second factor vouches (`_vouching`),
    proved as the policy wants it: by a key that has to ask who is there, not by a touch. Ask `decide` too; this does
    not judge the whole session.
    """
    rules = personal(rules, facts)
    recent = _recent(rules, facts, now)
    if not facts.enrolled:
        return any(proof.method not in SECOND_FACTORS | ADMISSIONS for proof in recent)
    vouching = _vouching(rules, facts, now)
    if any(is_accepted(rules, one) for one in vouching):
        recent = [proof for proof in recent if counts(rules, facts, proof)]
    by = {(one.binding, one.method) for one in vouching}
    return any((proof.binding, proof.method) in by for proof in recent)


def refreshed_by(rules: Rules, facts: Facts, now: datetime) -> tuple[Method, ...]:
    """The enrolled, usable methods whose proof would make the session fresh, the preferred one first."""
    rules = personal(rules, facts)
    return in_order(rules, {one.method for one in _vouching(rules, facts, now) if one.usable})


def _recent(rules: Rules, facts: Facts, now: datetime) -> list[Proof]:
    return [proof for proof in facts.proofs if AHEAD <= now - proof.at < rules.fresh_for]


def _vouching(rules: Rules, facts: Facts, now: datetime) -> list[Enrolled]:
    """The authenticators that vouch for a person: the best of those that have settled (security 51).

    Settled is what was bound before this session began and longer than `fresh_for` ago, and the oldest always
    is: with a key enrolled a minute ago nobody removes an older one. What the policy does not allow vouches only
    where nothing allowed is settled.
    """
    if not facts.enrolled:
        return []
    began = [proof.at for proof in facts.proofs] + ([facts.signed_in_at] if facts.signed_in_at else [])
    oldest = min(one.bound_at for one in facts.enrolled)
    settled = max(oldest, min([*began, now - rules.fresh_for]))
    old = [one for one in facts.enrolled if one.bound_at <= settled]
    allowed = [one for one in old if is_accepted(rules, one)] or old
    best = max(TIER[one.method] for one in allowed)
    return [one for one in allowed if TIER[one.method] == best]


def may_turn_off(rules: Rules, facts: Facts, now: datetime) -> bool:
    """Whether the policy lets this person do without a second factor altogether."""
    return not is_demanded(rules, facts, now)


def allows_removal(rules: Rules, facts: Facts, binding: UUID, now: datetime) -> bool:
    """Whether the policy lets the owner remove this authenticator. False for what is not theirs.

    Where some are demanded, the last acceptable ones stay until others take their place, and so does the last
    of any kind, lest somebody in grace falls back to a password. A set of recovery codes may always go.
    """
    removed = [one for one in facts.enrolled if one.binding == binding]
    if not removed or removed[0].method is Method.RECOVERY_CODE or not is_demanded(rules, facts, now):
        return bool(removed)
    counted = acceptable(rules, facts)
    if removed[0] in counted:
        return len(counted) > personal(rules, facts).minimum_factors
    return any(one not in removed and one.method is not Method.RECOVERY_CODE for one in facts.enrolled)
