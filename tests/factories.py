"""Tenants, people and their factors, made by the flows that make them on the site."""

import uuid
from typing import Any

import factory
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client
from django.utils import timezone

from accounts.assurance import Method, Proof
from accounts.authenticators import totp
from accounts.flows import enrolment, people, recovery
from accounts.models import Binding, Role, Tenant, User
from accounts.session_store import SessionStore
from policies import document as documents
from policies.flows import publish, tenants

PASSWORD = "a long enough pass phrase"


def document(**rules: Any) -> dict[str, Any]:
    """The default document with somebody to ask for help, and with these rules."""
    return documents.default_document() | {"contact": "the service desk"} | rules


class TenantFactory(factory.Factory):
    """A tenant with its policy; `rules` go into the default document."""

    class Meta:
        model = Tenant

    name = factory.Sequence(lambda n: f"Tenant {n}")
    slug = factory.Sequence(lambda n: f"tenant-{n}-{uuid.uuid4().hex[:6]}")

    @classmethod
    def _create(cls, model_class: type[Tenant], *args: Any, **kwargs: Any) -> Tenant:
        rules = kwargs.pop("rules", {})
        return tenants.create(kwargs.pop("name"), kwargs.pop("slug"), actor=None, document=document(**rules), **kwargs)


class UserFactory(factory.Factory):
    """A person with a password and a verified address, without any factor.

    A platform administrator outside the default tenant, whom no flow makes, is a row from before that was refused.
    """

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"person-{n}@example.com")
    name = factory.Sequence(lambda n: f"Person {n}")
    role = Role.USER

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        tenant = kwargs.pop("tenant", None) or Tenant.objects.get(is_default=True)
        password = kwargs.pop("password", PASSWORD)
        verified = kwargs.pop("verified", True)
        is_row_of_old = kwargs.get("is_superuser", False) and not tenant.is_default
        if is_row_of_old:
            del kwargs["is_superuser"]
        person = User(tenant=tenant, joined_at=kwargs.pop("joined_at", timezone.now()), **kwargs)
        people.create(person, password=password, verified=verified)
        if is_row_of_old:
            person.is_superuser = True
            person.save(update_fields=["is_superuser"])
        return person


class AdministratorFactory(UserFactory):
    """An administrator of the tenant."""

    role = Role.ADMINISTRATOR


def publish_rules(tenant: Tenant, *, enabled: bool | None = None, **rules: Any) -> None:
    """Publish a policy whose document differs in these rules from the default one."""
    publish.publish(tenant.policy, document(**rules), actor=None, reason="for a test", enabled=enabled)
    tenant.refresh_from_db()


def session_of(person: User, *proofs: Proof) -> SessionStore:
    """A saved session in which this person proved these things; a password just now if none is given."""
    session = SessionStore()
    first, *others = proofs or (Proof(method=Method.PASSWORD, at=timezone.now()),)
    session.start_proving(person, first)
    for proof in others:
        session.prove(person, proof)
    session.save()
    return session


def enrol_totp(person: User) -> str:
    """Enrol an authenticator app through the flow; returns the secret. The confirming code is burnt."""
    session = session_of(person)
    secret = enrolment.begin_totp(person, session)
    enrolment.confirm_totp(person, session, totp.code_at(secret, totp.step_at(timezone.now())))
    person.refresh_from_db()
    return secret


def enrol_recovery_codes(person: User) -> list[str]:
    """Give a person who has a factor a set of recovery codes."""
    codes = recovery.make(person, session_of(person), first=True)
    person.refresh_from_db()
    return codes


def next_code(secret: str) -> str:
    """A code that has not been used: the next step's, which the tolerance accepts already."""
    return totp.code_at(secret, totp.step_at(timezone.now()) + 1)


def live_binding(person: User, kind: str = Binding.Kind.TOTP) -> Binding:
    """The person's live authenticator of a kind."""
    return Binding.objects.get(person=person, kind=kind, unbound_at=None)


def client_of(person: User, *proofs: Proof) -> Client:
    """A browser in which this person is signed in, having proved these things (a password if none is given)."""
    session = session_of(person, *proofs)
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    client = Client(HTTP_HOST="localhost")
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return client


def password_proof() -> Proof:
    """A right password, just now."""
    return Proof(method=Method.PASSWORD, at=timezone.now())


def proof_of(binding: Binding, **changes: Any) -> Proof:
    """A proof by this authenticator, just now."""
    values = {"method": Method(binding.kind), "at": timezone.now(), "binding": binding.pk, "bound_at": binding.bound_at}
    return Proof(**values | changes)


def verified_client(person: User) -> Client:
    """A browser of somebody with an app who proved password and app just now."""
    if not Binding.objects.filter(person=person, unbound_at=None).exists():
        enrol_totp(person)
    return client_of(person, password_proof(), proof_of(live_binding(person)))
