"""The login stage that asks for a verified address: allauth's, without a query where the password has just said it."""

from typing import Any

from accounts.allauth_compat import EmailVerificationStage
from accounts.backends import has_just_verified


class VerifiedAddressStage(EmailVerificationStage):
    """A sign-in goes on only by an address that its person has verified.

    Who was found by that address in this request (`accounts.backends`) is not looked up by it again.
    """

    def handle(self) -> Any:
        person: Any = self.login.user
        if person is not None and has_just_verified(person, self.login.email):
            return None, True
        return super().handle()  # type: ignore[no-untyped-call]
