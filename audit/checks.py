"""System checks: without a proper key nothing is recorded, and what is not recorded does not happen."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from audit import keys
from audit.errors import KeyMalformed

MAKE_ENVIRONMENT = "`python -m config.setup_env` writes an environment with fresh keys."
MAKE_KEY = "`openssl rand -base64 32 | tr '+/' '-_'` prints a new key."


@register(Tags.security)
def check_keys(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """E001 no key, E002 a key that is malformed or short, E003 a key given twice."""
    texts = list(settings.AUDIT_HMAC_KEYS)
    if not texts:
        return [Error("AUDIT_HMAC_KEYS is empty.", hint=f"{MAKE_ENVIRONMENT} {MAKE_KEY}", id="audit.E001")]
    problems: list[CheckMessage] = []
    ids: list[str] = []
    for number, text in enumerate(texts, start=1):
        try:
            ids.append(keys.parse(text).id)
        except KeyMalformed as error:
            problems.append(Error(f"AUDIT_HMAC_KEYS, key {number}: {error}.", hint=MAKE_KEY, id="audit.E002"))
    if len(set(ids)) < len(ids):
        hint = f"Leave each key in once, the newest first. {MAKE_KEY}"
        problems.append(Error("AUDIT_HMAC_KEYS names a key twice.", hint=hint, id="audit.E003"))
    return problems
