"""The options that browsers are given, as the JSON of WebAuthn L3 §5.1.8 and §5.1.9."""

from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings

from accounts.authenticators.webauthn_ceremonies import UserVerification, timeout
from accounts.authenticators.webauthn_demands import KeyDemands
from accounts.authenticators.webauthn_keys import ALGORITHMS
from accounts.authenticators.webauthn_wire import encode_base64url
from accounts.models import User, WebAuthnCredential

Options = dict[str, Any]
PUBLIC_KEY: Final = "public-key"
BUILT_IN: Final = {"internal", "hybrid"}  # transports of what may keep one passkey only for each account


def creation(
    person: User, challenge: bytes, *, passwordless: bool, verification: UserVerification, demands: KeyDemands
) -> Options:
    """For `navigator.credentials.create`.

    A passkey must be discoverable; a second factor need not be, so that old keys work and new ones keep
    their few places. Attestation is asked for only where it is demanded: browsers then ask their user.
    """
    known = [one for one in live_credentials(person) if passwordless or not _may_come_again(one, demands)]
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
        "excludeCredentials": descriptors(known),
        "authenticatorSelection": {
            "residentKey": "required" if passwordless else "discouraged",
            "requireResidentKey": passwordless,
            "userVerification": verification.value,
        },
        "attestation": "direct" if demands.attested else "none",
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


def _may_come_again(credential: WebAuthnCredential, demands: KeyDemands) -> bool:
    """Whether a key that is no longer accepted may be enrolled once more, because its new answer may be.

    Only one that is sure to keep the old credential beside the new one: if the new one is refused, its owner must
    still be able to prove the old.
    """
    is_security_key = bool(credential.transports) and not BUILT_IN & set(credential.transports)
    return is_security_key and not demands.accepts(credential) and demands.could_accept(credential)
