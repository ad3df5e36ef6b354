"""The options that browsers are given, as the JSON of WebAuthn L3 §5.1.8 and §5.1.9."""

from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings

from accounts.authenticators.webauthn_ceremonies import UserVerification, timeout
from accounts.authenticators.webauthn_keys import ALGORITHMS
from accounts.authenticators.webauthn_wire import encode_base64url
from accounts.models import User, WebAuthnCredential

Options = dict[str, Any]
PUBLIC_KEY: Final = "public-key"


def creation(person: User, challenge: bytes, *, passwordless: bool, verification: UserVerification) -> Options:
    """For `navigator.credentials.create`.

    A passkey must be discoverable; a second factor need not be, so that old keys work and new ones keep
    their few places. Attestation is not asked for: what a key says of itself is kept as unattested.
    """
    options = {
        "rp": {"id": settings.WEBAUTHN_RP_ID, "name": settings.WEBAUTHN_RP_NAME},
        "user": {
            "id": encode_base64url(bytes(person.webauthn_handle)),
            "name": person.email,
            "displayName": person.get_full_name(),
        },
        "challenge": encode_base64url(challenge),
        "pubKeyCredParams": [{"type": PUBLIC_KEY, "alg": algorithm} for algorithm in ALGORITHMS],
        "timeout": timeout(),
        "excludeCredentials": descriptors(live_credentials(person)),
        "authenticatorSelection": {
            "residentKey": "required" if passwordless else "discouraged",
            "requireResidentKey": passwordless,
            "userVerification": verification.value,
        },
        "attestation": "none",
        "extensions": {"credProps": True},
    }
    return {"publicKey": options}


def request(challenge: bytes, *, allowed: Iterable[WebAuthnCredential], verification: UserVerification) -> Options:
    """For `navigator.credentials.get`; with nothing in `allowed` the browser offers the passkeys it knows."""
    options = {
        "challenge": encode_base64url(challenge),
        "timeout": timeout(),
        "rpId": settings.WEBAUTHN_RP_ID,
        "allowCredentials": descriptors(allowed),
        "userVerification": verification.value,
    }
    return {"publicKey": options}


def descriptors(credentials: Iterable[WebAuthnCredential]) -> list[Options]:
    """Credentials as browsers are told of them; transports only where the key named some."""
    return [
        {"type": PUBLIC_KEY, "id": encode_base64url(bytes(credential.credential_id))}
        | ({"transports": credential.transports} if credential.transports else {})
        for credential in credentials
    ]


def live_credentials(person: User) -> list[WebAuthnCredential]:
    """What this person may answer with: bound, and not locked; oldest first."""
    live = WebAuthnCredential.objects.filter(binding__person=person, binding__unbound_at=None, binding__locked_at=None)
    return list(live.order_by("binding__bound_at"))
