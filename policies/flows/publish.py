"""Publishing a policy: one numbered, immutable version, in force on the next request of every session.

A version may be put in force for good, or for fifteen minutes unless somebody who signed in under it confirms it,
or be judged beside the one in force without stopping anybody (report only).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.assurance import Method
from accounts.errors import NotAllowed, NotFresh
from accounts.flows import binding as bindings
from accounts.flows import methods
from accounts.models import Role, Tenant, User
from accounts.words import one_line
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import document as documents
from policies import facts
from policies import floor as floors
from policies.document import DocumentError
from policies.document_fields import LONGEST
from policies.errors import LocksOut, OwnFactorFirst, ReasonMissing, StaleDraft, TestsFail
from policies.models import MFAPolicy, PolicyVersion
from policies.rollout import simulation
from policies.terms import Rules

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

Mode = PolicyVersion.Mode
CONFIRM_WITHIN: Final = timedelta(minutes=15)
LONGEST_EXCLUDE: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be published: a document, whether it is switched on, how it is put in force, and why."""

    document: dict[str, Any]
    reason: str
    enabled: bool | None = None  # None: as it is now
    mode: str = Mode.ENFORCE
    until_confirmed: bool = False
    based_on: int | None = None  # the version the change began from; None: whichever


def publish(
    policy: MFAPolicy,
    document: dict[str, Any],
    *,
    actor: User | None,
    reason: str,
    session: "SessionStore | None" = None,
    **how: Any,
) -> PolicyVersion:
    """Put a document in force, in the ways that `Wanted` names. `actor` None is the site itself.

    Raises NotAllowed, NotFresh, OwnFactorFirst, LocksOut and TestsFail (recorded), UnreadableWords, ReasonMissing,
    StaleDraft, or DocumentError naming the fields. Nothing is half published.
    """
    with refusals_recorded(policy, actor):
        if not may_publish(actor, policy):
            raise NotAllowed
        if actor is not None:
            require_fresh(actor, session)
        wanted = Wanted(document, one_line(reason), **how)
        if not wanted.reason:
            raise ReasonMissing
        if len(wanted.reason) > LONGEST["reason"]:
            raise DocumentError(
                {"reason": _("Give a text of at most %(longest)d characters.") % {"longest": LONGEST["reason"]}}
            )
        documents.validate(document)
        return _publish(policy, wanted, actor)


@contextmanager
def refusals_recorded(policy: MFAPolicy, actor: User | None) -> Iterator[None]:
    """Record who tried to publish what they must not. Goes around the unit of work, so that the record stays."""
    try:
        yield
    except (NotAllowed, NotFresh, OwnFactorFirst, LocksOut, TestsFail) as refusal:
        record(Kind.POLICY_PUBLISH_REFUSED, actor=actor, target=policy, tenant=policy.tenant_id, code=refusal.code)
        raise


def require_fresh(actor: User, session: "SessionStore | None") -> None:
    """Raise NotFresh unless this session of the actor just proved a factor, and OwnFactorFirst where there is none.

    A password is a fresh proof only of those who own nothing better; nobody asks others for what they do without.
    """
    if session is None:
        raise NotFresh
    bindings.require_fresh(actor, session)
    if not methods.live(actor):
        raise OwnFactorFirst


def may_publish(actor: User | None, policy: MFAPolicy) -> bool:
    """Whether the actor answers for the policy's tenant; None is the site itself.

    The default tenant's policy binds the platform's administrators too, so only they publish it.
    """
    if actor is None or (actor.is_active and actor.is_superuser):
        return True
    is_theirs = actor.tenant_id == policy.tenant_id and not policy.tenant.is_default
    return actor.is_active and actor.is_staff and is_theirs


def number_in_force(policy: MFAPolicy, now: datetime) -> int:
    """The version in force at `now`: as `policies.facts` reads it for every request."""
    if policy.confirm_by is not None and policy.confirm_by <= now and policy.fallback_version is not None:
        return policy.fallback_version
    return policy.version


def version_in_force(policy: MFAPolicy) -> PolicyVersion | None:
    """The version in force now; None before the first."""
    return policy.versions.filter(number=number_in_force(policy, timezone.now())).first()


def rules_if_published(policy: MFAPolicy, document: Mapping[str, Any], *, enabled: bool, now: datetime) -> Rules:
    """The rules that a valid document would state if it were published at `now`."""
    version = _version(policy, version_in_force(policy), dict(document), enabled, now)
    return facts.rules_from(version)


def refusal(
    policy: MFAPolicy, document: dict[str, Any], *, enabled: bool, now: datetime
) -> DocumentError | LocksOut | TestsFail | None:
    """Why a document would be refused if it were published at `now`; None where it would not. Changes nothing."""
    try:
        documents.validate(document)
        _require_sound(policy, _version(policy, version_in_force(policy), document, enabled, now), now)
    except (DocumentError, LocksOut, TestsFail) as why:
        return why
    return None


def administrators(policy: MFAPolicy) -> list[User]:
    """Those who answer for the tenant and could sign in today."""
    people = User.objects.filter(tenant=policy.tenant_id, is_active=True).select_related("tenant").order_by("email")
    if policy.tenant.is_default:
        return list(people.filter(is_superuser=True))
    return list(people.filter(Q(role=Role.ADMINISTRATOR) | Q(is_superuser=True)))


def locked_out(policy: MFAPolicy, rules: Rules, now: datetime) -> tuple[list[User], list[User]]:
    """The tenant's administrators: who would get in by what they own, and who would not.

    Judged as if the tenant were switched on, which is no matter of its policy.
    """
    people = administrators(policy)
    known = {key: replace(one, tenant_is_active=True) for key, one in facts.gather_many(people).items()}
    ends = {person.pk: simulation.sign_in(rules, known[person.pk], now) for person in people}
    getting_in = [person for person in people if ends[person.pk].gets_in_for_good]
    return getting_in, [person for person in people if person not in getting_in]


def lock(policy: MFAPolicy) -> MFAPolicy:
    """The policy's row, held until the transaction ends, and settled: changes of one policy take turns.

    A version that was not confirmed in time went out of force by itself; here that is written down and recorded.
    The tenant is read after the lock is held: joined to it, PostgreSQL would answer with its row of before the wait.
    """
    locked = MFAPolicy.objects.select_for_update().get(pk=policy.pk)
    fallback = number_in_force(locked, timezone.now())
    if fallback != locked.version:
        lapsed, since = locked.version, locked.confirm_by
        locked.version, locked.confirm_by, locked.fallback_version = fallback, None, None
        locked.save(update_fields=["version", "confirm_by", "fallback_version"])
        about: dict[str, Any] = {"version": fallback, "previous_version": lapsed, "since": since}
        record(Kind.POLICY_REVERTED, target=locked, tenant=locked.tenant_id, **about)
    return locked


def lock_for(policy: MFAPolicy, actor: User) -> MFAPolicy:
    """As `lock`, for somebody who answers for the policy. Raises NotAllowed for anybody else."""
    locked = lock(policy)
    if not may_publish(actor, locked):
        raise NotAllowed
    return locked


@unit_of_work
def _publish(policy: MFAPolicy, wanted: Wanted, actor: User | None) -> PolicyVersion:
    locked = lock(policy)
    if wanted.based_on is not None and wanted.based_on != locked.version:
        raise StaleDraft
    now = timezone.now()
    before = version_in_force(locked)
    enabled = (before is None or before.enabled) if wanted.enabled is None else wanted.enabled
    version = _version(locked, before, wanted.document, enabled, now)
    version.number, version.mode, version.reason = locked.tenant.policy_version + 1, Mode(wanted.mode), wanted.reason
    if actor is not None:
        _require_sound(locked, version, now)
    version.author_id, version.author_label = (actor.pk, str(actor)) if actor else (None, "system")
    version.save(force_insert=True)
    _put_in_force(locked, before, version, until_confirmed=wanted.until_confirmed and before is not None)
    _record(locked, before, version, actor)
    return version


def _version(
    policy: MFAPolicy, before: PolicyVersion | None, document: dict[str, Any], enabled: bool, now: datetime
) -> PolicyVersion:
    """The version that would be published; `enforced_since` is set at the first that demands and does not lapse."""
    since = None if before is None else before.enforced_since
    if since is None and enabled and documents.demands(document):
        since = now
    return PolicyVersion(
        policy=policy,
        number=policy.version + 1,
        schema=documents.SCHEMA,
        document=document,
        enabled=enabled,
        enforced_since=since,
        created_at=now,
    )


def _require_sound(policy: MFAPolicy, version: PolicyVersion, now: datetime) -> None:
    """What nobody may publish: less than the floor, people who are not there, a lock-out, a failing test."""
    document, floor = version.document, floors.current()
    errors = dict.fromkeys(floors.below(document, floor), _("The platform demands more of every tenant here."))
    if floors.forbids_switching_off(floor) and not version.enabled:
        errors["enabled"] = _("The platform does not let a tenant switch this off.")
    errors |= _misnamed(policy, document, now)
    if errors:
        raise DocumentError(errors)
    rules = facts.rules_from(version)
    if version.mode == Mode.ENFORCE:
        getting_in, left_out = locked_out(policy, rules, now)
        if left_out and not getting_in:
            raise LocksOut(left_out)
    if failing := simulation.failing(document["tests"], rules, now):
        raise TestsFail([test["name"] for test, ending in failing])


def _misnamed(policy: MFAPolicy, document: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """People named in a document are the tenant's own; no administrator is excluded, and emergencies need a key."""
    errors = {}
    named = [UUID(entry["value"]) for entry in document["excludes"] if entry["kind"] == "person"]
    excluded = User.objects.filter(tenant=policy.tenant_id, pk__in=named)
    if any(person.is_staff for person in excluded):
        errors["excludes"] = _("There are no exceptions for administrators.")
    elif len(excluded) < len(named):
        errors["excludes"] = _("Somebody who is excluded is not in this tenant.")
    elif any(datetime.fromisoformat(entry["until"]) > now + LONGEST_EXCLUDE for entry in document["excludes"]):
        errors["excludes"] = _("An exclude ends within a year.")
    if message := _unfit_for_emergencies(policy, document):
        errors["break_glass"] = message
    return errors


def _unfit_for_emergencies(policy: MFAPolicy, document: Mapping[str, Any]) -> str:
    named = User.objects.filter(tenant=policy.tenant_id, is_active=True, pk__in=document["break_glass"])
    people = list(named.select_related("tenant"))
    if len(people) < len(document["break_glass"]):
        return _("An account for emergencies has to be an active one of this tenant.")
    known = facts.gather_many(people)
    for person in people:
        if not any(one.method is Method.WEBAUTHN and one.usable for one in known[person.pk].enrolled):
            return _("%(person)s has no security key yet; an account for emergencies needs one.") % {"person": person}
    return ""


def _put_in_force(
    policy: MFAPolicy, before: PolicyVersion | None, version: PolicyVersion, *, until_confirmed: bool
) -> None:
    """Point the policy at its new version, and let the tenant's number void every grant.

    What would be in force again is never a version that waits for its own confirmation.
    """
    if version.mode == Mode.REPORT:
        policy.report_version = version.number
    else:
        settled = policy.fallback_version or (before.number if before is not None else None)
        policy.version = version.number
        policy.confirm_by = version.created_at + CONFIRM_WITHIN if until_confirmed else None
        policy.fallback_version = settled if until_confirmed else None
    policy.save(update_fields=["version", "confirm_by", "fallback_version", "report_version"])
    Tenant.objects.filter(pk=policy.tenant_id).update(policy_version=version.number)
    policy.tenant.policy_version = version.number


def _record(policy: MFAPolicy, before: PolicyVersion | None, after: PolicyVersion, actor: User | None) -> None:
    kind = Kind.POLICY_PUBLISHED
    if after.mode == Mode.REPORT:
        kind = Kind.POLICY_REPORT_STARTED
    elif before is not None and before.enabled != after.enabled:
        kind = Kind.POLICY_SWITCHED_ON if after.enabled else Kind.POLICY_SWITCHED_OFF
    record(
        kind,
        actor=actor,
        target=policy,
        tenant=policy.tenant_id,
        version=after.number,
        previous_version=before.number if before else 0,
        before=before.document if before else {},
        after=after.document,
        reason=after.reason,
        confirm_by=policy.confirm_by if after.mode == Mode.ENFORCE else None,
    )
