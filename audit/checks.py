"""System checks: without a proper key nothing is recorded, and what is not recorded does not happen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from audit import keys, statements, stream
from audit.errors import KeyMalformed

MAKE_ENVIRONMENT = "`python -m config.setup_env` writes an environment with fresh keys."
MAKE_KEY = "`openssl rand -base64 32 | tr '+/' '-_'` prints a new key."

MAKE_PAIR = "`manage.py audit_checkpoint --new-key` prints a new pair of keys."


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


@register(Tags.security)
def check_checkpoint_keys(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """E004 a key for checkpoints that is malformed, E005 a signing key that nobody could check."""
    try:
        public = statements.public_keys(settings.AUDIT_CHECKPOINT_PUBLIC_KEYS)
        signing = statements.signing_key(text) if (text := settings.AUDIT_CHECKPOINT_KEY) else None
    except KeyMalformed as error:
        return [Error(f"A key of AUDIT_CHECKPOINT_*: {error}.", hint=MAKE_PAIR, id="audit.E004")]
    if signing is not None and signing.id not in public:
        hint = "Put its public key in front of the others."
        return [Error("AUDIT_CHECKPOINT_PUBLIC_KEYS lacks the signing key's.", hint=hint, id="audit.E005")]
    return []


def signing_key_in_web_process() -> list[CheckMessage]:
    """E007 the key that signs checkpoints, where whoever takes over the site finds it.

    Not registered: only a web process knows that it is one (`audit.at_start`), and no command should complain where the
    key belongs.
    """
    if not settings.AUDIT_CHECKPOINT_KEY:
        return []
    message = "This web process has AUDIT_CHECKPOINT_KEY; whoever takes over the site can sign a record written anew."
    hint = (
        "Take it out of the environment of web processes, make a new pair (manage.py audit_checkpoint --new-key), and "
        "give it to the process that makes checkpoints alone."
    )
    return [Error(message, hint=hint, id="audit.E007")]


@register(Tags.security)
def check_stream(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """E006 a stream that there is not."""
    if settings.AUDIT_LOG_STREAM in {"", stream.STDOUT}:
        return []
    hint = "Set it to stdout, or leave it out."
    return [Error(f"AUDIT_LOG_STREAM is {settings.AUDIT_LOG_STREAM!r}.", hint=hint, id="audit.E006")]


@register(Tags.security, deploy=True)
def check_checkpoints(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """W001 no checkpoints: whoever has the database and the keys can rewrite history; W002 nowhere to keep them.

    W003 a place that is no directory: an address is none anywhere, a path is looked at only where checkpoints are made.
    """
    if not settings.AUDIT_CHECKPOINT_PUBLIC_KEYS:
        return [Warning("Nothing signs where the record stands.", hint=MAKE_PAIR, id="audit.W001")]
    if settings.AUDIT_CHECKPOINT_KEY and not (settings.AUDIT_CHECKPOINT_DIR or settings.AUDIT_CHECKPOINT_MAIL):
        hint = "Set AUDIT_CHECKPOINT_DIR or AUDIT_CHECKPOINT_MAIL."
        return [Warning("Checkpoints are kept nowhere outside the database.", hint=hint, id="audit.W002")]
    place = settings.AUDIT_CHECKPOINT_DIR
    if "://" in place or (place and settings.AUDIT_CHECKPOINT_KEY and not Path(place).is_dir()):
        hint = "Name a directory that exists: mount what is elsewhere, an object store as well."
        return [Warning("AUDIT_CHECKPOINT_DIR is no directory, so none is made.", hint=hint, id="audit.W003")]
    return []
