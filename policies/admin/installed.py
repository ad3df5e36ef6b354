"""What of a policy this site can carry out today. The rest is not asked for, and keeps the value it has."""

from dataclasses import dataclass

from django.conf import settings

from policies.facts import supported_methods
from policies.terms import LOCAL


@dataclass(frozen=True, slots=True)
class Installed:
    """`methods` as a document names them, in its order; `sources` are the ways to sign in."""

    methods: tuple[str, ...]
    sources: tuple[str, ...] = (LOCAL,)
    passkey_login: bool = True
    trusted_browsers: bool = True

    @property
    def sso(self) -> bool:
        """Whether anybody signs in elsewhere: then it matters by what, and what is trusted of it."""
        return len(self.sources) > 1


def installed() -> Installed:
    """What there is machinery for. Codes by e-mail and SMS and single sign-on have none yet."""
    return Installed(
        methods=tuple(method.value for method in supported_methods()),
        passkey_login=settings.MFA_PASSKEY_LOGIN_ENABLED,
    )
