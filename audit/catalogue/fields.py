"""Payload fields that several kinds share, and the shape of a declaration.

`method` is a value of accounts.assurance.Method, `strength` a name of its Strength, `session` a public id.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.catalogue.reasons import REASON
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

METHOD_WORDS: Final[Mapping[str, Promise | str]] = {
    "password": _("password"),
    "totp": _("authenticator app"),
    "webauthn": _("passkey or security key"),
    "recovery_code": _("recovery codes"),
    "email_code": _("code by mail"),
    "sms_code": _("code by SMS"),
    "sso": _("single sign-on"),
    "access_pass": _("access pass"),
    "enrolment_link": _("enrolment link"),
}
STRENGTH_WORDS: Final[Mapping[str, Promise | str]] = {
    "none": _("nothing proved"),
    "single_factor": _("one factor"),
    "multi_factor": _("several factors"),
    "phishing_resistant": _("phishing-resistant"),
}
METHOD, METHODS = (replace(field, words=METHOD_WORDS) for field in (TEXT, WORDS))
STRENGTH = replace(TEXT, words=STRENGTH_WORDS)

AUTHENTICATOR = {"authenticator": ID, "method": METHOD, "name": PERSONAL_TEXT, "session": ID}
REFUSAL = {**AUTHENTICATOR, "email": PERSONAL_TEXT, "reason": REASON, "failures": NUMBER, "purpose": TEXT}
PAUSE = {**REFUSAL, "scope": TEXT, "until": MOMENT}
PROOF = {
    **AUTHENTICATOR,
    "strength": STRENGTH,
    "aal": NUMBER,
    "amr": WORDS,
    "methods": METHODS,
    "user_verified": FLAG,
    "purpose": TEXT,
}
DECISION = {
    "decision": TEXT,
    "reasons": WORDS,
    "methods": METHODS,
    "policy_version": NUMBER,
    "strength": STRENGTH,
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
ENDING = {"session": ID, "reason": REASON, "count": NUMBER}
DIFFERENCE = {"fields": WORDS, "before": PERSONAL_DOCUMENT, "after": PERSONAL_DOCUMENT}
