"""System checks of the policies room."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from policies import floor as floors


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
