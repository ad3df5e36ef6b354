"""A person at a browser with a key: what the tests of WebAuthn play their ceremonies with."""

import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts.adapters import EncryptedMFAAdapter
from accounts.authenticators import webauthn
from accounts.authenticators.webauthn_demands import KeyDemands
from accounts.models import Binding, Tenant, User
from tests.soft_authenticator import SoftKey

_numbers = itertools.count(1)


def make_tenant() -> Tenant:
    number = next(_numbers)
    return Tenant.objects.create(name=f"Tenant {number}", slug=f"webauthn-{number}")


def make_person(tenant: Tenant | None = None, **fields: Any) -> User:
    address = f"person{next(_numbers)}@keys.example.com"
    return User.objects.create(email=address, tenant=tenant or make_tenant(), **fields)


@dataclass
class Scene:
    """One person, one session, one key; `origin` is the site's."""

    person: User = field(default_factory=make_person)
    key: SoftKey = field(default_factory=SoftKey)
    session_id: uuid.UUID = field(default_factory=uuid.uuid4)
    demands: KeyDemands | None = None  # None: the site's own

    def asked(self) -> KeyDemands:
        return self.demands or EncryptedMFAAdapter().key_rules(self.person)

    @property
    def origin(self) -> str:
        return settings.WEBAUTHN_ORIGINS[0]

    def creation(self, *, passwordless: bool = False) -> dict[str, Any]:
        return webauthn.begin_enrolment(
            self.person, session_id=self.session_id, passwordless=passwordless, demands=self.asked()
        )

    def complete(self, answer: object) -> webauthn.NewCredential:
        return webauthn.complete_enrolment(self.person, session_id=self.session_id, answer=answer, demands=self.asked())

    def enrol(self, *, passwordless: bool = False) -> Binding:
        """Register the key and bind it, as the flow does."""
        new = self.complete(self.key.create(self.creation(passwordless=passwordless), self.origin))
        binding = Binding.objects.create(person=self.person, kind=Binding.Kind.WEBAUTHN)
        webauthn.store(binding, new)
        return binding

    def request(self, purpose: Any = webauthn.Purpose.SECOND_FACTOR, **how: Any) -> dict[str, Any]:
        return webauthn.begin_assertion(
            self.person, session_id=self.session_id, purpose=purpose, demands=self.asked(), **how
        )

    def verify(self, answer: object, purpose: Any = webauthn.Purpose.SECOND_FACTOR) -> webauthn.Assertion:
        return webauthn.verify_assertion(
            self.person, session_id=self.session_id, purpose=purpose, answer=answer, demands=self.asked()
        )

    def prove(self) -> Binding:
        """One whole second factor, with everything in order."""
        return webauthn.accept(self.verify(self.key.get(self.request(), self.origin)))

    def verify_passkey(self, answer: object) -> webauthn.Assertion:
        passkey = webauthn.Purpose.PASSKEY
        return webauthn.verify_assertion(None, session_id=self.session_id, purpose=passkey, answer=answer)

    def passkey_request(self) -> dict[str, Any]:
        return webauthn.begin_passkey(session_id=self.session_id)
