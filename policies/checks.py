"""System checks of the policies room."""

import os
from pathlib import Path
from stat import S_IRWXG, S_IRWXO
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.authenticators import webauthn_roots
from policies import facts
from policies import floor as floors
from policies.models import PolicyVersion


@register()
def gate_is_in_place(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """policies.E001: without the middleware nothing is enforced; it must run last, so that it sees the view."""
    if settings.MIDDLEWARE and settings.MIDDLEWARE[-1] == "policies.middleware.EnforcementMiddleware":
        return []
    return [
        Error(
            "EnforcementMiddleware is not the last entry of MIDDLEWARE.",
            hint="Put 'policies.middleware.EnforcementMiddleware' at the end of MIDDLEWARE in config/settings.py.",
            id="policies.E001",
        )
    ]


@register()
def adapters_are_ours(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """policies.E002: other adapters would answer for allauth without asking the policy."""
    wanted = {
        "MFA_ADAPTER": "policies.adapters.PolicyMFAAdapter",
        "ACCOUNT_ADAPTER": "policies.adapters.PolicyAccountAdapter",
    }
    return [
        Error(f"{name} is not {path}.", hint=f"Set {name} = {path!r} in config/settings.py.", id="policies.E002")
        for name, path in wanted.items()
        if getattr(settings, name, None) != path
    ]


@register()
def floor_can_be_read(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """policies.E003: with a floor that cannot be read nobody is let in."""
    try:
        floors.current()
    except ImproperlyConfigured as error:
        hint = 'Write JSON with rules of a policy document, such as {"enforcement": "required"}, or leave it empty.'
        return [Error(str(error), hint=hint, id="policies.E003")]
    return []


@register()
def exports_have_a_place(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """policies.E004: a directory for exports that is not there; policies.W002: one that others can read."""
    if not settings.AUDIT_EXPORT_DIR:
        return []
    place = Path(settings.AUDIT_EXPORT_DIR)
    if not (place.is_absolute() and place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        hint = "Make it, writable for web processes and workers, and name it from the root."
        return [Error(f"AUDIT_EXPORT_DIR cannot be written: {place}.", hint=hint, id="policies.E004")]
    if place.stat().st_mode & (S_IRWXG | S_IRWXO):
        hint = f"chmod 700 {place}"
        return [Warning(f"Others have access to AUDIT_EXPORT_DIR: {place}.", hint=hint, id="policies.W002")]
    return []


@register(Tags.database)
def demanded_attestation_is_possible(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """policies.W001: where attestation is demanded and no root is pinned, no key is accepted, new or old.

    Asks the database, so it runs with `check --database default` and with `migrate`, and nowhere else.
    """
    if not databases or webauthn_roots.pinned().certificates or not (demanding := _demanding_attestation()):
        return []
    return [
        Warning(
            f"No key can be attested, and these policies demand it: {', '.join(demanding)}.",
            hint="Set WEBAUTHN_ATTESTATION_ROOTS to a directory with the roots of the makers you accept.",
            id="policies.W001",
        )
    ]


def _demanding_attestation() -> list[str]:
    """The identifiers of the policies that demand it; none where there are no tables yet, or no readable floor."""
    in_force = PolicyVersion.objects.filter(facts.is_in_force(timezone.now())).select_related("policy")
    try:
        with transaction.atomic():
            return sorted(one.policy.code for one in in_force if facts.rules_from(one).keys.attested)
    except (DatabaseError, ImproperlyConfigured):
        return []
