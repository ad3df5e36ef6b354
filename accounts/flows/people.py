"""Making people, and changing who they are: every change that must void their sessions' grants does."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.errors import NotAllowed
from accounts.flows import anchors, rights
from accounts.models import Role, Session, Tenant, TenantDomain, User
from accounts.models.people import normalise_address
from accounts.session_store import end
from audit.kinds import Kind
from audit.log import record, unit_of_work

_DECIDE_DAYS = frozenset({"tenant", "role", "is_superuser"})  # changing these, nobody gets more days than they had


class OutsideDefaultTenant(NotAllowed):
    """A platform administrator elsewhere than in the default tenant, whose policy only the platform decides."""

    code = "outside_default_tenant"
    message = _(
        "Platform administrators belong to the default tenant. Take the right away first, or choose that tenant."
    )


def raise_security_version(person: User) -> None:
    """Void every grant of this person: the next request of each session is judged anew."""
    User.objects.filter(pk=person.pk).update(security_version=F("security_version") + 1)
    person.refresh_from_db(fields=["security_version"])


def lock(person: User) -> User:
    """The person's row, held until the transaction ends: enrolment, reset and policy changes take turns."""
    return everyone_held().get(pk=person.pk)


def everyone_held(*, skip_locked: bool = False) -> QuerySet[User]:
    """People whose rows are held once they are read, with their tenants; `skip_locked`: but those that others hold."""
    return User.objects.select_for_update(of=("self",), skip_locked=skip_locked).select_related("tenant")


@unit_of_work
def create(person: User, *, password: str | None, verified: bool | None = False, by: User | None = None) -> User:
    """Save a new person with their address, and with what that address left behind (`flows.anchors`).

    `by` gives them the rights that they have, if any. With `verified` None the caller (allauth, at sign-up) makes the
    address row itself. Raises OutsideDefaultTenant.
    """
    require_place(person)
    person.email = normalise_address(person.email)
    anchors.take_up(person)
    rights.note(person, rights.NONE, by=by)
    person.set_password(password)
    person.save(force_insert=True)
    if verified is not None:
        EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=verified)
    return person


@unit_of_work
def sign_up(person: User, *, email: str, password: str, name: str = "") -> User:
    """Somebody registers: in the default tenant, unverified, without any right."""
    person.email, person.name = email, name
    person.tenant = Tenant.objects.get(is_default=True)
    create(person, password=password, verified=None)
    record(Kind.PERSON_SIGNED_UP, actor=person, target=person)
    return person


@unit_of_work
def add(*, email: str, name: str, tenant: Tenant, role: str, actor: User, language: str = "") -> User:
    """An administrator adds a person, who sets their own password from a mailed link (`flows.invitations`)."""
    if not (actor.is_superuser or (actor.is_staff and actor.tenant_id == tenant.pk)):
        raise NotAllowed
    person = User(email=email, name=name, tenant=tenant, role=role, language=language, joined_at=timezone.now())
    create(person, password=None, by=actor)
    record(Kind.PERSON_ADDED, actor=actor, target=person, role=role)
    return person


@unit_of_work
def address_verified(address: Any) -> None:
    """A mailbox was proved. The first time, its domain decides the tenant; later addresses never move anybody.

    Only somebody still in the default tenant, without a right to lose, is moved.
    """
    person = lock(address.user)
    record(Kind.PERSON_EMAIL_VERIFIED, actor=person, target=person)
    if person.joined_at is not None:
        return
    domain = TenantDomain.objects.filter(domain=address.email.partition("@")[2].lower()).first()
    person.joined_at = timezone.now()
    if domain is not None and person.tenant.is_default and not person.is_staff:
        anchors.keep_deadline(person)
        person.tenant_id = domain.tenant_id
        anchors.settle(person, moved=True)
        record(
            Kind.PERSON_JOINED_TENANT,
            actor=person,
            target=person,
            tenant=domain.tenant_id,
            domain=domain.domain,
        )
    person.save(update_fields=["tenant", "joined_at", *anchors.COLUMNS])
    raise_security_version(person)


@unit_of_work
def address_changed(person: User, *, before: str, after: str) -> None:
    """Somebody signs in with another address now; of both, the stricter past holds from now on, for either."""
    locked = lock(person)
    if anchors.take_over(locked, after, former=before):
        locked.save(update_fields=anchors.COLUMNS)
        raise_security_version(locked)


@unit_of_work
def set_password(person: User, password: str) -> None:
    """Set a password, by its owner or from a mailed link. Ends every other session through the session hash."""
    person.set_password(password)
    person.save(update_fields=["password"])
    raise_security_version(person)
    record(Kind.PASSWORD_CHANGED, actor=person, target=person)


@unit_of_work
def change(person: User, *, actor: User, **fields: Any) -> User:
    """Change name, role, language, active state or tenant of a person, one event for what really changed.

    Raises NotAllowed for fields an administrator of this kind may not touch, and for one's own role or state, and
    OutsideDefaultTenant.
    """
    locked = lock(person)
    changed = {name: value for name, value in fields.items() if getattr(locked, name) != value}
    if not changed:
        return locked
    _require_may_change(actor, locked, changed)
    before, had = {name: str(getattr(locked, name)) for name in changed}, rights.of(locked)
    if changed.keys() & _DECIDE_DAYS:
        anchors.keep_deadline(locked)
    for name, value in changed.items():
        setattr(locked, name, value)
    if changed.keys() & {"tenant", "is_superuser"}:
        require_place(locked)
    if changed.keys() & _DECIDE_DAYS:
        anchors.settle(locked, moved="tenant" in changed)
    rights.note(locked, had, by=actor)
    locked.save(update_fields=[*changed, *anchors.COLUMNS, *rights.COLUMNS])
    raise_security_version(locked)
    if changed.get("is_active") is False:
        end_all_sessions(locked, actor=actor, reason="deactivated")
    record(
        Kind.PERSON_CHANGED,
        actor=actor,
        target=locked,
        before=before,
        after={n: str(v) for n, v in changed.items()},
    )
    return locked


def end_all_sessions(person: User, *, actor: User, reason: str, but: UUID | None = None) -> None:
    """End every session of a person but the one with this public id: one event with how many, if there were any."""
    sessions = Session.objects.filter(person=person)
    ended = end(sessions if but is None else sessions.exclude(public_id=but))
    if ended:
        record(Kind.SESSION_ENDED, actor=actor, target=person, reason=reason, count=ended)


@unit_of_work
def set_groups(person: User, groups: Iterable[Group], *, actor: User) -> None:
    """Put a person into exactly these groups; the policy may look at groups, so grants are void."""
    locked = lock(person)
    if not actor.is_superuser:
        raise NotAllowed
    before = sorted(locked.groups.values_list("name", flat=True))
    locked.groups.set(groups)
    after = sorted(locked.groups.values_list("name", flat=True))
    if before != after:
        record(Kind.GROUPS_CHANGED, actor=actor, target=locked, before=before, after=after)


def require_place(person: User) -> None:
    """Raises OutsideDefaultTenant for a platform administrator elsewhere, where others decide how they sign in."""
    if person.is_superuser and not person.tenant.is_default:
        raise OutsideDefaultTenant


def manages(actor: User, person: User) -> bool:
    """Whether this administrator answers for this person: their own tenant's, or anybody's on the platform."""
    if not actor.is_active or not actor.is_staff:
        return False
    return actor.is_superuser or (actor.tenant_id == person.tenant_id and not person.is_superuser)


def who_answers_for(person: User) -> list[User]:
    """The active administrators of the person's tenant and of the platform, the person too where they are one."""
    return who_answers_in(person.tenant_id)


def who_answers_in(tenant_id: UUID) -> list[User]:
    """The active administrators of a tenant and of the platform."""
    theirs = Q(tenant=tenant_id, role=Role.ADMINISTRATOR) | Q(is_superuser=True)
    return list(User.objects.filter(theirs, is_active=True).select_related("tenant").order_by("email"))


def answers_for(actor: User, tenant: Tenant) -> bool:
    """Whether this administrator answers for this tenant: their own, or any on the platform."""
    if not actor.is_active or not actor.is_staff:
        return False
    return actor.is_superuser or actor.tenant_id == tenant.pk


def _require_may_change(actor: User, person: User, changed: dict[str, Any]) -> None:
    if not manages(actor, person):
        raise NotAllowed
    if actor.pk == person.pk and changed.keys() & {"role", "is_active", "tenant"}:
        raise NotAllowed
    if not actor.is_superuser and not changed.keys() <= {"name", "language", "role", "is_active"}:
        raise NotAllowed
    if changed.get("role", Role.USER) not in Role.values:
        raise NotAllowed
