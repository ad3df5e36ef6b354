"""Payload fields that several kinds share, and the shape of a declaration.

`method` is a value of accounts.assurance.Method, `session` a public id.
"""

from collections.abc import Callable

from audit.declarations import (
    DOCUMENT,
    FLAG,
    ID,
    MOMENT,
    NUMBER,
    PERSONAL_DOCUMENT,
    PERSONAL_TEXT,
    TEXT,
    WORDS,
)

Declare = Callable[..., None]
"""Arguments of `Catalogue.declare`, without the category."""

AUTHENTICATOR = {"authenticator": ID, "method": TEXT, "name": PERSONAL_TEXT, "session": ID}
REFUSAL = {**AUTHENTICATOR, "email": PERSONAL_TEXT, "reason": TEXT, "failures": NUMBER, "purpose": TEXT}
PAUSE = {**REFUSAL, "scope": TEXT, "until": MOMENT}
PROOF = {
    **AUTHENTICATOR,
    "strength": TEXT,
    "aal": NUMBER,
    "amr": WORDS,
    "methods": WORDS,
    "user_verified": FLAG,
    "purpose": TEXT,
}
DECISION = {
    "decision": TEXT,
    "reasons": WORDS,
    "methods": WORDS,
    "policy_version": NUMBER,
    "strength": TEXT,
    "deadline": MOMENT,
    "view": TEXT,
    "session": ID,
}
MINTED = {
    **AUTHENTICATOR,
    "aaguid": ID,
    "attestation": TEXT,
    "attested": FLAG,
    "user_verified": FLAG,
    "passwordless": FLAG,
    "backed_up": FLAG,
    "first": FLAG,
    "replaces": ID,
}
POLICY = {
    "policy": ID,
    "version": NUMBER,
    "previous_version": NUMBER,
    "number": NUMBER,
    "level": TEXT,
    "changes": DOCUMENT,
    "before": DOCUMENT,
    "after": DOCUMENT,
    "reason": PERSONAL_TEXT,
    "confirm_by": MOMENT,
}
ENDING = {"session": ID, "reason": TEXT, "count": NUMBER}
DIFFERENCE = {"fields": WORDS, "before": PERSONAL_DOCUMENT, "after": PERSONAL_DOCUMENT}
