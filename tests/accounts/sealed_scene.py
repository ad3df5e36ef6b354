"""Many people with apps at once, keys that change, and whether everybody can still sign in."""

import os
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.apps import apps as installed
from django.db import models, transaction
from django.utils import timezone

from accounts import canary, keyring
from accounts.assurance import Method
from accounts.authenticators import totp
from accounts.flows import rotation, verification
from accounts.flows.key_work import Report, Step
from accounts.models import Binding, KeyCanary, Tenant, User
from accounts.sealed import TOTP, places
from audit.kinds import Kind
from audit.models import AuditEvent

CIPHERTEXT = re.compile(r"gAAAA[A-Za-z0-9_-]{60}")  # a Fernet token, under a key of ours or not
KEEP_TEXT = models.CharField | models.TextField | models.JSONField | models.BinaryField
CANARY = (KeyCanary._meta.db_table, "ciphertext", "")  # one under each key, which stays there


def new_key() -> str:
    return Fernet.generate_key().decode()


def id_of(key: str) -> str:
    return keyring.KeyRing([key]).primary_id


def add_key(settings, key: str | None = None) -> str:
    """A new key in front of the others, as an operator puts it there; returns its id."""
    settings.MFA_ENCRYPTION_KEYS = [key or new_key(), *settings.MFA_ENCRYPTION_KEYS]
    canary.ensure()
    return keyring.primary_key_id()


@transaction.atomic
def apps(number: int) -> dict[User, str]:
    """So many people with an app each, in a few statements: person → secret."""
    tenant = Tenant.objects.get(is_default=True)
    people = [
        User(tenant=tenant, email=f"{uuid.uuid4().hex}@acme.example", password="!", webauthn_handle=os.urandom(64))
        for _ in range(number)
    ]
    User.objects.bulk_create(people)
    secrets = {person: totp.new_secret() for person in people}
    bindings = [Binding(person=person, kind=Binding.Kind.TOTP, last_counter=0) for person in people]
    for binding in bindings:
        sealed = keyring.seal(secrets[binding.person], TOTP.context(binding.pk, binding.person_id))
        binding.authenticator = Authenticator(user=binding.person, type="totp", data={"secret": sealed, "kept": 1})
        binding.sealed_under = keyring.key_id_of(sealed)
    Authenticator.objects.bulk_create(binding.authenticator for binding in bindings)
    Binding.objects.bulk_create(bindings)
    return secrets


def rotate(**options) -> tuple[Report, list[Step]]:
    """One run to its end."""
    report = Report()
    return report, list(rotation.rotate(report, **options))


def stored(person: User) -> str:
    """The ciphertext of a person's app."""
    return Authenticator.objects.get(user=person, type="totp").data["secret"]


def damage(person: User, ciphertext: object) -> Binding:
    """Put something else in its place; returns the binding."""
    Authenticator.objects.filter(user=person, type="totp").update(data={"secret": ciphertext})
    return Binding.objects.get(person=person, unbound_at=None)


def sign_in(person: User, secret: str) -> None:
    """A right code of the app is accepted, by the flow of the site."""
    code = totp.code_at(secret, totp.step_at(timezone.now()))
    verification.check_code(person, Method.TOTP, code)


def everybody_gets_in(secrets: dict[User, str]) -> bool:
    """Whether each secret still opens where it stands, and is the one it was."""
    ring = keyring.current()
    for person, secret in secrets.items():
        binding = Binding.objects.get(person=person, unbound_at=None)
        if ring.unseal(stored(person), TOTP.context(binding.pk, person.pk)) != secret:
            return False
    return True


def under(people: Iterable[User]) -> set[str]:
    """The ids of the keys that these people's apps are sealed under, by ciphertext and by column."""
    live = Binding.objects.filter(person__in=list(people), unbound_at=None).select_related("authenticator")
    return {name for one in live for name in (one.sealed_under, one.authenticator.data["secret"][:8])}


def events(*kinds: Kind) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(kind__in=kinds).order_by("sequence", "id"))


def registered() -> set[tuple[str, str, str]]:
    """Table, column and path within JSON of every ciphertext that the registry knows."""
    return {
        (place.home._meta.db_table, *(place.beside[1:] if place.beside else (place.ciphertext, "")))
        for place in places()
    }


def where_sealed() -> set[tuple[str, str, str]]:
    """Table, column and path within JSON of everything in the database that looks encrypted, but for canaries."""
    found = {
        (model._meta.db_table, field.column, path)
        for model in installed.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, KEEP_TEXT)
        for value in model._default_manager.values_list(field.name, flat=True)
        for path, text in _texts(value)
        if CIPHERTEXT.search(text)
    }
    return found - {CANARY}


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, with the keys that lead to it."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, f"{path}__{key}" if path else key)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, f"{path}[]")
    else:
        yield path, value.decode("latin-1") if isinstance(value, bytes) else str(value)
