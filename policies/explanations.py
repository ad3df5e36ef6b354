"""A receipt explained: the outcome, the reasons, what it was decided on, and what would change it, in sentences.

To the person themselves, or about them to an administrator, on a page or a terminal; of a moment ago or of a sign-in
that was kept. All of it comes from the receipt and from the rules of its version.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import moments
from accounts.assurance import Method, Proof, strength_with
from accounts.authenticators.aaguids import product_name
from accounts.gates import Explanation
from accounts.models import Binding, Role, User
from policies import demands, engine, sensitive, sentences
from policies.enforcement import Judgement
from policies.sentences import Words
from policies.terms import ADMINISTRATOR, LOCAL, Decision, Enrolled, Facts, Outcome, Reason, Rules, UserVerification


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a receipt is explained to, in which time zone: its person, or somebody who reads about `name`.

    `methods` are the names of authenticators by their ids; those without one go by their kind.
    """

    zone: ZoneInfo
    name: str = ""
    methods: Mapping[UUID, str] = field(default_factory=dict)


def explained(
    decision: Decision,
    reader: Reader,
    rules: Rules | None = None,
    *,
    outcome: Words | None = None,
    with_facts: bool = True,
) -> Explanation:
    """A receipt in sentences. `rules` are those of its version; without them nothing is said of what they accept.

    `outcome` stands in for the sentence that says what happened: about what would, or will.
    """
    outcomes = sentences.THEIR_OUTCOMES if reader.name else sentences.YOUR_OUTCOMES
    return Explanation(
        outcome=sentences.about(outcome or outcomes[decision.outcome], reader.name),
        reasons=tuple(sentences.of(decision.reasons, reader.name)),
        facts=tuple(facts_of(decision, reader, rules)) if with_facts else (),
        deadline=deadline_of(decision, reader.zone),
        way_out=way_out_of(decision),
        version=version_of(decision),
        contact="" if rules is None else rules.contact,
        satisfied_by=decision.satisfied_by,
    )


def to_themselves(judgement: Judgement, person: User, *, with_facts: bool = True) -> Explanation:
    """A judgement explained to the person it is about. One query for the names of what they own, if these are told.

    Whoever has shown no more than a password is told nothing of an account that a second factor protects, whatever
    the session could do before that was set up, and never that an account is for emergencies.
    """
    decision = replace(judgement.decision, reasons=reasons_told(judgement.decision))
    is_known = not decision.facts.enrolled or has_proved_a_factor(decision.facts)
    with_facts = with_facts and is_known and Reason.NO_EVIDENCE not in decision.reasons
    methods = names_of(decision.facts) if with_facts else {}
    reader = Reader(person.tenant.zone, methods=methods)
    days = engine.days_of_trust(judgement.rules, judgement.facts, decision.at)
    return replace(explained(decision, reader, judgement.rules, with_facts=with_facts), trusted_browser_days=days)


def reasons_told(decision: Decision) -> tuple[Reason, ...]:
    """The reasons of a decision as its session may learn them: a password alone does not uncover break-glass."""
    if has_proved_a_factor(decision.facts):
        return decision.reasons
    return tuple(reason for reason in decision.reasons if reason is not Reason.BREAK_GLASS)


def has_proved_a_factor(facts: Facts) -> bool:
    """Whether the session holds a proof, however old, by a second factor that its person still has."""
    owned = {(one.binding, one.method) for one in facts.enrolled}
    return any((proof.binding, proof.method) in owned for proof in facts.proofs)


def of_confirmation(judgement: Judgement) -> Explanation:
    """Why somebody who is signed in is asked to confirm that it is them, and what would do."""
    rules, decision = judgement.rules, judgement.decision
    if rules is None:
        return explained(decision, Reader(ZoneInfo("UTC")), with_facts=False)
    minutes = int(demands.personal(rules, decision.facts).fresh_for.total_seconds() // 60)
    asked = ngettext(
        "Before a sensitive change your organisation asks for a proof of the last minute.",
        "Before a sensitive change your organisation asks for a proof of the last %(minutes)s minutes.",
        minutes,
    ) % {"minutes": minutes}
    enough = sensitive.refreshed_by(rules, decision.facts, decision.at)
    best = _("Only the strongest of your methods counts here, and none that you have just added.")
    return Explanation(
        outcome=_("Confirm that it is you, and you go on with what you were about to do."),
        reasons=(asked, best) if decision.facts.enrolled else (asked,),
        way_out=proof_by(enough),
        version=version_of(decision),
        contact=rules.contact,
        satisfied_by=enough,
    )


def names_of(facts: Facts) -> dict[UUID, str]:
    """What the authenticators in a receipt are called, removed ones too, by their ids; one query."""
    ids = {one.binding for one in facts.enrolled} | {proof.binding for proof in facts.proofs if proof.binding}
    named = Binding.objects.filter(pk__in=ids).exclude(name="")
    return dict(named.values_list("pk", "name"))


def deadline_of(decision: Decision, zone: ZoneInfo) -> str:
    """When the grace that a receipt speaks of ends or ended; empty where it speaks of none."""
    if decision.deadline is None:
        return ""
    when = {"when": moment(decision.deadline, zone), "zone": zone.key}
    if decision.at < decision.deadline:
        return _("The time to set it up ends on %(when)s (%(zone)s).") % when
    return _("The time to set it up ended on %(when)s (%(zone)s).") % when


def way_out_of(decision: Decision) -> str:
    """What would end a stop, or the grace; empty where nothing has to."""
    if decision.outcome is Outcome.ALLOW:
        return ""
    if decision.outcome is Outcome.DENY and Reason.NO_EVIDENCE in decision.reasons:
        return _("Signing in again would do.")
    if not decision.satisfied_by:
        return _("Nothing that one can do alone would change this: only help is left.")
    if decision.outcome is Outcome.STEP_UP:
        return proof_by(decision.satisfied_by)
    return ngettext(
        "This would do, once it is set up: %(methods)s.",
        "One of these would do, once it is set up: %(methods)s.",
        len(decision.satisfied_by),
    ) % {"methods": listed(decision.satisfied_by)}


def version_of(decision: Decision) -> str:
    """By which version a receipt was decided."""
    if decision.policy_version is None:
        return _("There is no policy that could have decided.")
    return _("Decided by version %(number)s of the policy.") % {"number": decision.policy_version}


def proof_by(methods: tuple[Method, ...]) -> str:
    """That a proof by one of these would do; empty where there is none."""
    words = ngettext("This would do: %(methods)s.", "One of these would do: %(methods)s.", len(methods))
    return words % {"methods": listed(methods)} if methods else ""


def listed(methods: tuple[Method, ...]) -> str:
    """Methods to choose from, in their order."""
    return ", ".join(str(sentences.METHODS[method]) for method in methods)


def moment(at: datetime, zone: ZoneInfo) -> str:
    """A moment to the minute, in the words of the language; the zone is named beside it."""
    return moments.moment(localtime(at, zone))


def facts_of(decision: Decision, reader: Reader, rules: Rules | None) -> Iterator[tuple[str, str]]:
    """The inputs of a receipt: each with its label, the time zone last."""
    facts = decision.facts
    if rules is not None:
        rules = demands.personal(rules, facts)
    yield from _of_person(facts)
    yield from _of_grace(facts, partial(moment, zone=reader.zone))
    for one in facts.enrolled:
        codes = one.method is Method.RECOVERY_CODE
        called = _("Recovery codes") if codes else _called(one.method, one.binding, reader)
        yield called, _state(rules, facts, one, reader)
    if not facts.enrolled:
        yield _("Methods set up"), _("none")
    yield from _of_session(decision, reader, rules)
    yield _("Time zone"), reader.zone.key


def _of_person(facts: Facts) -> Iterator[tuple[str, str]]:
    role = str(dict(Role.choices).get(facts.role, facts.role))
    if facts.is_staff and facts.role != ADMINISTRATOR:
        role = _("%(role)s, with the rights of an administrator") % {"role": role}
    yield _("Role"), role
    yield _("Groups"), ", ".join(sorted(facts.groups)) or _("none")
    yield _("Signs in"), _("here") if facts.source == LOCAL else facts.source.removeprefix("sso:")
    if not facts.is_active:
        yield _("Account"), _("switched off")
    if not facts.tenant_is_active:
        yield _("Tenant"), _("switched off")


def _of_grace(facts: Facts, when: Callable[[datetime], str]) -> Iterator[tuple[str, str]]:
    yield _("Known since"), when(facts.known_since) if facts.known_since else _("not known, so there is no grace")
    moments = {
        _("First sign-in"): facts.first_sign_in_at,
        _("Grace ended by a reset"): facts.grace_closed_at,
        _("Grace at most until"): facts.grace_cap,
        _("Extended until"): facts.extended_to,
        _("Browser trusted since"): facts.trusted_since,
    }
    yield from ((label, when(at)) for label, at in moments.items() if at is not None)


def _of_session(decision: Decision, reader: Reader, rules: Rules | None) -> Iterator[tuple[str, str]]:
    for proof in decision.facts.proofs:
        called, when = _called(proof.method, proof.binding, reader), moment(proof.at, reader.zone)
        yield _("Proved"), "; ".join([called, when, *map(str, _flaws(decision, proof, rules))])
    if not decision.facts.proofs:
        yield _("Proved"), _("nothing")


def _called(method: Method, binding: UUID | None, reader: Reader) -> str:
    kind = str(sentences.METHODS[method])
    name = "" if binding is None else reader.methods.get(binding, "")
    return _("%(kind)s “%(name)s”") % {"kind": kind, "name": name} if name else kind


def _state(rules: Rules | None, facts: Facts, one: Enrolled, reader: Reader) -> str:
    """Whether the policy accepts an authenticator, why not, and when it was added."""
    added = _("added on %(when)s") % {"when": moment(one.bound_at, reader.zone)}
    product = product_name(one.aaguid) if one.aaguid else ""
    refused = [str(words) for words in refusals(rules, facts, one)]
    if refused:
        verdict = _("not accepted: %(why)s") % {"why": ", ".join(refused)}
    elif rules is None:
        verdict = ""
    else:
        verdict = _("stands in for another method") if one.method is Method.RECOVERY_CODE else _("accepted")
    return "; ".join(part for part in (verdict, product, added) if part)


def refusals(rules: Rules | None, facts: Facts, one: Enrolled) -> list[Words]:
    """Why an authenticator does not count under these (personal) rules; none where it does.

    A set of recovery codes that the policy accepts has none, though it is no method by itself.
    """
    found: list[Words] = []
    if not one.usable:
        codes = one.method is Method.RECOVERY_CODE
        found.append(_("all are used, or they are locked") if codes else _("it is locked, or cannot be read"))
    if rules is None:
        return found
    if not demands.is_accepted(rules, one):
        return [*found, *_why_not(rules, one)]
    if strength_with(one.method) < demands.required_strength(rules, facts):
        found.append(_("a security key or passkey is demanded"))
    return found


def _flaws(decision: Decision, proof: Proof, rules: Rules | None) -> Iterator[Words]:
    """Why a proof of a session does not count."""
    if proof.binding is None:
        return
    if all((one.binding, one.method) != (proof.binding, proof.method) for one in decision.facts.enrolled):
        yield _("by what has been removed since")
    elif rules is not None:
        if decision.at - proof.at >= rules.second_factor_lifetime:
            hours = int(rules.second_factor_lifetime.total_seconds() // 3600)
            yield ngettext(
                "too long ago: it lasts for %(hours)s hour", "too long ago: it lasts for %(hours)s hours", hours
            ) % {"hours": hours}
        elif not demands.counts(rules, decision.facts, proof):
            yield _("not accepted by the policy")


def _why_not(rules: Rules, one: Enrolled) -> list[Words]:
    """What the policy has against an authenticator that it does not accept (`policies.demands.is_accepted`)."""
    keys = rules.keys
    if one.method not in rules.allowed or one.method is not Method.WEBAUTHN:
        return [_("the policy does not allow it")]
    rules_of_keys = (
        (
            _("it did not ask for a PIN, a fingerprint or a face when it was added"),
            keys.user_verification is UserVerification.REQUIRED and not one.user_verified,
        ),
        (_("its maker does not vouch for it"), keys.attested and not one.attested),
        (_("its product is not on the policy’s list"), bool(keys.allowed) and one.aaguid not in keys.allowed),
        (_("the policy refuses its product"), one.aaguid in keys.denied),
        (_("it is copied between devices"), one.synced and not keys.synced),
    )
    return [words for words, holds in rules_of_keys if holds]
