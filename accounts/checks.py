"""Numbered checks of the settings this room depends on, each with the command or the value that mends it.

They run with every management command, so also before `migrate`. Those of the encryption keys are told by every web
process and worker as well, in its log (`accounts.at_start`): their messages never have a name that sounds secret in
front of a colon or an equals sign, behind which `config.logs` would withhold a word. No message contains a key.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connection, transaction
from django.db import Error as AnyDatabaseError

from accounts import canary, keyring
from accounts.authenticators import webauthn_roots

ENCRYPTION_KEYS: Final = "encryption_keys"  # the tag of everything there is to say about them
NEW_KEY: Final = "manage.py mfa_keys generate"
FACTORS = {"totp", "webauthn"}
KNOWN_TYPES = {*FACTORS, "recovery_codes"}
USER_VERIFICATION = ("discouraged", "preferred", "required")
CEREMONY_MILLISECONDS = range(10_000, 600_001)
LOCKS = range(1, 101)  # NIST SP 800-63B-4 §3.2.2: never more than 100 consecutive failures
LONGEST_SESSION = 24 * 60 * 60  # seconds, NIST SP 800-63B-4 §2.2.3
NO_URL = SplitResult("", "", "", "", "")
UNDELIVERED_MAIL = {f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "dummy", "filebased")}


@register("accounts", ENCRYPTION_KEYS)
def check_encryption_keys(**kwargs: Any) -> list[CheckMessage]:
    """E001 to E005 and E011: there are keys, each is one, no two are the same, and nobody else knows them."""
    keys = settings.MFA_ENCRYPTION_KEYS
    if not keys:
        message = "MFA_ENCRYPTION_KEYS is empty: the secrets of second factors cannot be stored."
        return [Error(message, hint=f"Make a key and set MFA_ENCRYPTION_KEYS to it: {NEW_KEY}", id="accounts.E001")]
    return [*_malformed_keys(keys), *_repeated_keys(keys), *_public_keys(keys), *_reused_keys(keys)]


@register("accounts")
def check_supported_types(**kwargs: Any) -> list[CheckMessage]:
    """E006 and W003: the site offers factors, all of which exist."""
    offered = set(settings.MFA_SUPPORTED_TYPES)
    found: list[CheckMessage] = []
    if unknown := sorted(offered - KNOWN_TYPES):
        message = f"MFA_SUPPORTED_TYPES names unknown types: {', '.join(unknown)}."
        found.append(Error(message, hint=f"Choose from {', '.join(sorted(KNOWN_TYPES))}.", id="accounts.E006"))
    if not offered & FACTORS:
        message = "MFA_SUPPORTED_TYPES offers no factor that people could enrol."
        found.append(Error(message, hint="Add webauthn, totp or both.", id="accounts.E006"))
    if settings.MFA_PASSKEY_LOGIN_ENABLED and "webauthn" not in offered:
        message = "MFA_PASSKEY_LOGIN_ENABLED has no effect without webauthn in MFA_SUPPORTED_TYPES."
        found.append(Warning(message, hint="Set MFA_PASSKEY_LOGIN_ENABLED=off.", id="accounts.W003"))
    return found


@register("accounts")
def check_webauthn(**kwargs: Any) -> list[CheckMessage]:
    """E007 and E008: browsers will let our pages use our keys (WebAuthn L3 §5.1.3, §7.1 step 9)."""
    rp_id, origins = settings.WEBAUTHN_RP_ID, settings.WEBAUTHN_ORIGINS
    faults = list(_rp_id_faults(rp_id))
    if not origins:
        faults.append("WEBAUTHN_ORIGINS is empty: no page could use a key.")
    for origin in origins:
        faults += [f"WEBAUTHN_ORIGINS: {origin} {fault}" for fault in _origin_faults(origin, rp_id)]
    hint = "Set SITE_URL, e.g. https://login.example.com, and leave WEBAUTHN_RP_ID and WEBAUTHN_ORIGINS out."
    return [*(Error(fault, hint=hint, id="accounts.E007") for fault in faults), *_ceremony_faults()]


@register("accounts")
def check_attestation_roots(**kwargs: Any) -> list[CheckMessage]:
    """E015: what WEBAUTHN_ATTESTATION_ROOTS names can be read; a root that cannot vouches for nothing."""
    hint = "Name a directory with certificates in PEM, in files that end in .pem, or leave it empty."
    return [
        Error(f"WEBAUTHN_ATTESTATION_ROOTS: {fault}", hint=hint, id="accounts.E015")
        for fault in webauthn_roots.pinned().faults
    ]


@register("accounts")
def check_limits(**kwargs: Any) -> list[CheckMessage]:
    """E009, E010, E013 and E014: numbers within what `docs/security-model.md` promises."""
    rules = [
        ("MFA_LOCK_AFTER_FAILURES", LOCKS, "E009", "failures in a row"),
        ("TRUSTED_PROXY_COUNT", range(11), "E010", "proxies of yours in front of the site"),
        ("MFA_TOTP_TOLERANCE", range(2), "E013", "steps of 30 seconds on either side"),
        ("SESSION_COOKIE_AGE", range(60, LONGEST_SESSION + 1), "E014", "seconds"),
    ]
    return [
        Error(
            f"{name} is {getattr(settings, name)!r}.",
            hint=f"Set {name} to {allowed.start} to {allowed.stop - 1} ({unit}).",
            id=f"accounts.{number}",
        )
        for name, allowed, number, unit in rules
        if getattr(settings, name) not in allowed
    ]


@register("accounts")
def check_site_url(**kwargs: Any) -> list[CheckMessage]:
    """E012: links in mails and the origin of keys are made from SITE_URL."""
    faults = list(_shape_faults(settings.SITE_URL))
    hint = "Set SITE_URL to scheme and host, e.g. https://login.example.com."
    return [Error(f"SITE_URL {fault}", hint=hint, id="accounts.E012") for fault in faults]


@register("accounts")
def check_temporary_settings(**kwargs: Any) -> list[CheckMessage]:
    """W001 and W002: what should not stay as it is."""
    found: list[CheckMessage] = []
    if settings.MFA_ADOPT_FOREIGN_SECRETS:
        message = "MFA_ADOPT_FOREIGN_SECRETS is on: secrets that are bound to no owner open."
        hint = "Finish moving in (manage.py mfa_keys adopt), then remove MFA_ADOPT_FOREIGN_SECRETS."
        found.append(Warning(message, hint=hint, id="accounts.W001"))
    if settings.EMAIL_BACKEND in UNDELIVERED_MAIL and not settings.DEBUG:
        message = "Mail reaches nobody: invitations, resets and warnings stay on this machine."
        hint = "Set EMAIL_URL, e.g. smtp+tls://user:password@mail.example.com:587."
        found.append(Warning(message, hint=hint, id="accounts.W002"))
    return found


@register(Tags.database)
def check_platform_administrators(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """W004: of a platform administrator outside the default tenant, that tenant decides how they sign in.

    Asks the database, so it runs with `check --database default` and with `migrate`, and nowhere else.
    """
    if not databases or not (count := _platform_administrators_elsewhere()):
        return []
    message = f"Platform administrators outside the default tenant, where others decide how they sign in: {count}."
    hint = "On their page in the admin, move them to the default tenant or take the right away."
    return [Warning(message, hint=hint, id="accounts.W004")]


@register(Tags.database, ENCRYPTION_KEYS)
def check_keys_in_use(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E016 to E019 and W005: the keys are those of this database, in the right order, and none is missing.

    Asks the database, as W004 does, and at every start of a web process or worker.
    """
    try:
        ids = keyring.current().ids
        with _apart():
            return list(_key_faults(ids)) if databases else []
    except (keyring.MisconfiguredKeys, AnyDatabaseError):  # other checks say so; no tables yet, or no database
        return []


def _apart() -> AbstractContextManager[Any]:
    """A savepoint within a transaction, which a query that fails would break; else nothing.

    A transaction of its own would wait for whoever writes to SQLite, and a start may not.
    """
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _key_faults(ids: tuple[str, ...]) -> Iterator[CheckMessage]:
    primary, *older = ids
    verdict = canary.verdict()
    if verdict is canary.Verdict.UNREADABLE:
        message = f"In MFA_ENCRYPTION_KEYS, the first key, {primary}, is not one of this database: no code opens."
        hint = "Put the right keys in, the newest first: manage.py mfa_keys status says which the rows need."
        yield Error(message, hint=hint, id="accounts.E016")
    if verdict is canary.Verdict.PRIMARY_UNREADABLE:
        message = f"In MFA_ENCRYPTION_KEYS, the first key, {primary}, does not open its own canary: it seals nothing."
        hint = "manage.py mfa_keys verify says whether it is the right key; see docs/operations.md on changed canaries."
        yield Error(message, hint=hint, id="accounts.E019")
    if missing := canary.needed_but_absent():
        message = f"MFA_ENCRYPTION_KEYS lacks keys that stored secrets need: {', '.join(missing)}."
        hint = "Put them back, last in the list, then run: manage.py mfa_keys rotate"
        yield Error(message, hint=hint, id="accounts.E017")
    if newer := canary.newer_than_primary():
        message = f"In MFA_ENCRYPTION_KEYS, the first key, {primary}, is older than {', '.join(newer)}."
        hint = "Put the newest first. If it is to go, run: manage.py mfa_keys rotate --backwards"
        yield Error(message, hint=hint, id="accounts.E018")
    if left := sorted(canary.retired() & set(older)):
        message = f"MFA_ENCRYPTION_KEYS still has keys that were retired: {', '.join(left)}."
        hint = "Take them out on every machine, restart, and see that they are gone: manage.py mfa_keys status"
        yield Warning(message, hint=hint, id="accounts.W005")


def _platform_administrators_elsewhere() -> int:
    """None where there are no tables yet."""
    try:
        with transaction.atomic():
            return get_user_model().objects.filter(is_superuser=True, tenant__is_default=False).count()
    except DatabaseError:
        return 0


def _malformed_keys(keys: list[str]) -> Iterator[CheckMessage]:
    for position, key in enumerate(keys, start=1):
        if keyring.key_bytes(key) is None:
            message = f"In MFA_ENCRYPTION_KEYS, entry {position} is not 32 bytes in base64 (44 characters)."
            yield Error(message, hint=f"Copy it again, or make a new one: {NEW_KEY}", id="accounts.E002")


def _repeated_keys(keys: list[str]) -> Iterator[CheckMessage]:
    seen: dict[str, int] = {}
    for position, key in enumerate(keys, start=1):
        raw = keyring.key_bytes(key)
        first = position if raw is None else seen.setdefault(keyring.key_id(raw), position)
        if first != position:
            message = f"In MFA_ENCRYPTION_KEYS, entries {first} and {position} are the same key, or share its id."
            entry = f"entry {position} (MFA_ENCRYPTION_KEY, where set, counts as the last entry)"
            hint = f"Remove {entry}, restart, and see which are left: manage.py mfa_keys status"
            yield Error(message, hint=hint, id="accounts.E003")


def _public_keys(keys: list[str]) -> Iterator[CheckMessage]:
    if keyring.is_public(keys[0]):
        message = "In MFA_ENCRYPTION_KEYS, the primary key was published somewhere, or was not made at random."
        hint = f"Put a new key in front of it ({NEW_KEY}), restart, then run: manage.py mfa_keys rotate"
        yield Error(message, hint=hint, id="accounts.E004")
    if settings.DEBUG or settings.MFA_ADOPT_FOREIGN_SECRETS:
        return
    for position, key in enumerate(keys[1:], start=2):
        raw = keyring.key_bytes(key)
        if raw is not None and keyring.is_public(key):
            message = f"In MFA_ENCRYPTION_KEYS, entry {position} is known to others, who could forge secrets with it."
            retire = f"manage.py mfa_keys rotate, then manage.py mfa_keys retire {keyring.key_id(raw)}"
            hint = f"Run {retire}, and take it out. To move in, keep it while MFA_ADOPT_FOREIGN_SECRETS is on."
            yield Error(message, hint=hint, id="accounts.E005")


def _reused_keys(keys: list[str]) -> Iterator[CheckMessage]:
    elsewhere = {settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS, *settings.AUDIT_HMAC_KEYS}
    for position, key in enumerate(keys, start=1):
        if key.strip() and key.strip() in elsewhere:
            message = f"In MFA_ENCRYPTION_KEYS, entry {position} is also SECRET_KEY or an audit key."
            hint = f"One key, one purpose, so that each can be changed alone. Make a new one: {NEW_KEY}"
            yield Error(message, hint=hint, id="accounts.E011")


def _rp_id_faults(rp_id: str) -> Iterator[str]:
    is_name = rp_id == "localhost" or ("." in rp_id and not rp_id.replace(".", "").isdigit())
    if not is_name or rp_id != rp_id.lower() or set(rp_id) & set(":/@ []"):
        yield f"WEBAUTHN_RP_ID is {rp_id!r}, which is no domain name in lower case (an IP address is none)."


def _origin_faults(origin: str, rp_id: str) -> Iterator[str]:
    yield from _shape_faults(origin, https_always=True)
    host = _split(origin).hostname or ""
    if host != rp_id and not host.endswith(f".{rp_id}"):
        yield f"is not on WEBAUTHN_RP_ID ({rp_id}) or a sub-domain of it."


def _shape_faults(origin: str, *, https_always: bool = False) -> Iterator[str]:
    """What keeps a text from being an origin as browsers write it: scheme, host, and port if unusual."""
    parts = _split(origin)
    is_local = parts.hostname == "localhost" or (parts.hostname or "").endswith(".localhost")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        yield "must begin with https:// and a host name."
    elif parts.scheme == "http" and not is_local and (https_always or not settings.DEBUG):
        yield "must be https (http works on localhost only)."
    if origin != f"{parts.scheme}://{parts.netloc}".lower() or "@" in parts.netloc:
        yield "must be scheme and host only, in lower case, without a slash at the end."
    if (parts.scheme, parts.port) in {("http", 80), ("https", 443)}:
        yield "must leave out the usual port, as browsers do."


def _split(origin: str) -> SplitResult:
    """The parts of a URL; of none where it is malformed."""
    try:
        parts = urlsplit(origin)
        return parts if parts.port != 0 else NO_URL
    except ValueError:
        return NO_URL


def _ceremony_faults() -> Iterator[CheckMessage]:
    if settings.WEBAUTHN_USER_VERIFICATION not in USER_VERIFICATION:
        message = f"WEBAUTHN_USER_VERIFICATION is {settings.WEBAUTHN_USER_VERIFICATION!r}."
        yield Error(message, hint=f"Choose from {', '.join(USER_VERIFICATION)}.", id="accounts.E008")
    if settings.WEBAUTHN_TIMEOUT not in CEREMONY_MILLISECONDS:
        message = f"WEBAUTHN_TIMEOUT is {settings.WEBAUTHN_TIMEOUT!r}."
        yield Error(message, hint="Set it to 10000 to 600000 (milliseconds), e.g. 60000.", id="accounts.E008")
