"""Keys for people who need some, enrolled through the flow without a browser."""

import json
from typing import Any

from django.conf import settings

from accounts.flows import keys
from accounts.models import Binding, User
from tests.factories import password_proof, proof_of, session_of
from tests.soft_authenticator import SoftKey


def add_key(person: User, name: str, *, resident: bool = False, **particulars: Any) -> Binding:
    """A key of theirs; a `resident` one is a passkey, if the policy allows those. `particulars`: see SoftKey."""
    owned = Binding.objects.filter(person=person, unbound_at=None).exclude(kind=Binding.Kind.RECOVERY_CODE)
    session = session_of(person, password_proof(), *map(proof_of, owned))
    options = keys.begin_adding(person, session, passwordless=resident)
    answer = SoftKey(resident=resident, **particulars).create(options, settings.WEBAUTHN_ORIGINS[0])
    proof = keys.add(person, session, json.dumps(answer), name=name)
    person.refresh_from_db()
    return Binding.objects.get(pk=proof.binding)
