"""People to try the site as: four tenants, and somebody in every state. For development machines only.

Everything is made through the flows that make it on a real site. Running it again changes nothing.
"""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from accounts import keyring
from accounts.assurance import Method, Proof
from accounts.authenticators import totp
from accounts.flows import enrolment, people, recovery
from accounts.flows.verification import totp_context
from accounts.models import Binding, Role, Tenant, User
from accounts.session_store import SessionStore
from policies import document as documents
from policies.flows import publish, tenants

PASSWORD = "only for this demo"  # noqa: S105 (printed beside every demo person)


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """One tenant of the demo; `rules` differ from the default document."""

    slug: str
    name: str
    rules: dict[str, Any]
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One person of the demo, and what they will see. `enrolled` gives them an app, and codes."""

    email: str
    name: str
    tenant: str
    sees: str
    role: str = Role.USER
    enrolled: bool = False
    superuser: bool = False
    active: bool = True


TENANTS = (
    DemoTenant("acme", "Acme Health", {"grace_days": 0}),
    DemoTenant("globex", "Globex", {"grace_days": 14}),
    DemoTenant("initech", "Initech", {"grace_days": 0, "strength": {"administrator": "phishing_resistant"}}),
    DemoTenant("umbra", "Umbra Legal", {}, enabled=False),
)

PEOPLE = (
    DemoPerson("nora@acme.example", "Nora New", "acme", "is walked through enrolment before anything else"),
    DemoPerson("dana@acme.example", "Dana Set", "acme", "is asked for a code from an app, then let in", enrolled=True),
    DemoPerson(
        "ada@acme.example",
        "Ada Min",
        "acme",
        "as Dana; then administers Acme at /admin/",
        role=Role.ADMINISTRATOR,
        enrolled=True,
    ),
    DemoPerson("ina@acme.example", "Ina Gone", "acme", "is told that the account is switched off", active=False),
    DemoPerson("glen@globex.example", "Glen Grace", "globex", "is let in, with a banner: 14 days left to set it up"),
    DemoPerson("gwen@globex.example", "Gwen Done", "globex", "is asked for a code, grace or not", enrolled=True),
    DemoPerson(
        "ivan@initech.example",
        "Ivan Min",
        "initech",
        "an app is not enough for administrators here: must add a key",
        role=Role.ADMINISTRATOR,
        enrolled=True,
    ),
    DemoPerson("iris@initech.example", "Iris User", "initech", "may use an app: is asked for a code", enrolled=True),
    DemoPerson("uma@umbra.example", "Uma Free", "umbra", "is let in on a password: the policy is switched off"),
    DemoPerson("udo@umbra.example", "Udo Own", "umbra", "is asked all the same: who owns a factor is", enrolled=True),
    DemoPerson(
        "root@default.example",
        "Root Platform",
        "default",
        "administers every tenant at /admin/",
        role=Role.ADMINISTRATOR,
        enrolled=True,
        superuser=True,
    ),
)

COLLEAGUES = tuple(
    DemoPerson(f"{first.lower()}@acme.example", f"{first} {last}", "acme", "is asked for a code", enrolled=True)
    for first, last in (
        ("Abel", "Archive"),
        ("Bea", "Billing"),
        ("Cem", "Care"),
        ("Dora", "Dispatch"),
        ("Edo", "Estates"),
        ("Fay", "Finance"),
        ("Gus", "Gardens"),
        ("Hana", "Hygiene"),
        ("Ivo", "Intake"),
    )
)
"""More people at Acme, so that trying a stricter policy there has somebody to count."""


def load() -> list[tuple[DemoPerson, User]]:
    """Make what is missing of the demo; returns everybody."""
    for tenant in TENANTS:
        if not Tenant.objects.filter(slug=tenant.slug).exists():
            _make_tenant(tenant)
    for colleague in COLLEAGUES:
        _person(colleague)
    return [(wanted, _person(wanted)) for wanted in PEOPLE]


def code_now(person: User) -> str:
    """A code that this demo person's app would show in a moment, so that nobody needs a telephone to try it."""
    binding = (
        Binding.objects.select_related("authenticator").filter(person=person, kind="totp", unbound_at=None).first()
    )
    if binding is None or binding.authenticator is None:
        return ""
    secret = keyring.unseal(binding.authenticator.data["secret"], totp_context(binding))
    return totp.code_at(secret, max(totp.step_at(timezone.now()), (binding.last_counter or 0) + 1))


def _make_tenant(wanted: DemoTenant) -> None:
    """People come first and the demand second, so that those of a tenant in grace were known before it."""
    contact = {"contact": f"the {wanted.name} service desk, extension 4357"}
    document = documents.default_document() | contact | wanted.rules
    tenant = tenants.create(
        wanted.name,
        wanted.slug,
        actor=None,
        document=documents.default_document() | contact | {"enforcement": "optional"},
    )
    for person in (*PEOPLE, *COLLEAGUES):
        if person.tenant == wanted.slug:
            _person(person)
    publish.publish(tenant.policy, document, actor=None, reason="The demo begins.", enabled=wanted.enabled)


def _person(wanted: DemoPerson) -> User:
    found = User.objects.filter(email=wanted.email).first()
    if found is not None:
        return found
    person = User(
        email=wanted.email,
        name=wanted.name,
        tenant=Tenant.objects.get(slug=wanted.tenant),
        role=wanted.role,
        is_superuser=wanted.superuser,
        is_active=wanted.active,
        joined_at=timezone.now(),
    )
    people.create(person, password=PASSWORD, verified=True)
    if wanted.enrolled:
        _enrol(person)
    return person


def _enrol(person: User) -> None:
    session = SessionStore()
    session.start_proving(person, Proof(method=Method.PASSWORD, at=timezone.now()))
    session.save()
    secret = enrolment.begin_totp(person, session)
    enrolment.confirm_totp(person, session, totp.code_at(secret, totp.step_at(timezone.now()) - 1))
    person.refresh_from_db()
    recovery.make(person, session, first=True)
    session.flush()
