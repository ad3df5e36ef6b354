"""Keys and passkeys at the site's pages: a browser that plays its ceremonies there, and what the pages said."""

import json
import re
import uuid
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.flows import keys
from accounts.models import Binding, User
from audit.models import AuditEvent
from tests.factories import (
    PASSWORD,
    TenantFactory,
    UserFactory,
    client_of,
    password_proof,
    proof_of,
    session_of,
)
from tests.soft_authenticator import SoftKey

ORIGIN = "http://localhost:8000"
YUBIKEY_5_NFC = uuid.UUID("2fc0579f-8113-47ea-b116-bb5a8db9202a").bytes
OPTIONS_IN_PAGE = re.compile(r'<script id="webauthn-options" type="application/json">(.*?)</script>', re.DOTALL)


def options_of(response: Any) -> dict[str, Any]:
    """The options that the page hands to its script."""
    (found,) = OPTIONS_IN_PAGE.findall(response.content.decode())
    return json.loads(found.replace("\\u0026", "&"))


def enrol_key(person: User, key: SoftKey, *, passwordless: bool = False, name: str = "Blue key") -> Binding:
    """Bind a key through the flow, a day ago, in a session of its own that proved all the person had."""
    owned = Binding.objects.filter(person=person, unbound_at=None)
    session = session_of(person, password_proof(), *map(proof_of, owned))
    options = keys.begin_adding(person, session, passwordless=passwordless)
    keys.add(person, session, json.dumps(key.create(options, ORIGIN)), name=name)
    person.refresh_from_db()
    binding = Binding.objects.filter(person=person, kind="webauthn").latest("bound_at")
    Binding.objects.filter(pk=binding.pk).update(bound_at=timezone.now() - timedelta(days=1))
    binding.refresh_from_db()
    return binding


def with_key(key: SoftKey, **rules: Any) -> tuple[User, Binding]:
    """A person of a tenant with these rules, who has this key and nothing else."""
    person = UserFactory(tenant=TenantFactory(rules=rules))
    return person, enrol_key(person, key)


def fresh_client(person: User, binding: Binding) -> Client:
    """A browser whose owner proved password and key just now."""
    return client_of(person, password_proof(), proof_of(binding))


def event(kind: str) -> AuditEvent:
    """The only event of a kind."""
    return AuditEvent.objects.get(kind=kind)


def text_of(response: Any) -> str:
    return response.content.decode()


def sign_in(client: Client, person: User) -> Any:
    return client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})


def prove(client: Client, key: SoftKey, page: str = "mfa_authenticate") -> Any:
    """Answer that page's request with the key; returns where it led, or the page with its refusal."""
    answer = json.dumps(key.get(options_of(client.get(reverse(page))), ORIGIN))
    return client.post(reverse(page), {"method": "webauthn", "credential": answer})


def add(client: Client, key: SoftKey, *, passkey: bool = False, **how: Any) -> Any:
    """Register the key at the page that adds one."""
    url = reverse("mfa_add_webauthn") + ("?passkey=1" if passkey else "")
    answer = json.dumps(key.create(options_of(client.get(url)), ORIGIN, **how))
    return client.post(url, {"credential": answer, "name": "Another key"})
