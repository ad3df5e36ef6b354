"""Telling people of wrong second factors: whoever gives them knows the password already (security 29)."""

from accounts import notices
from accounts.flows import throttles
from accounts.models import Binding, User


def tell(person: User) -> None:
    """Count a wrong second factor of any kind; the third within an hour is told by mail. Within the caller's unit."""
    limit = throttles.WRONG_SECOND_FACTORS
    if throttles.number(limit, str(person.pk)) == limit.count:
        notices.send("wrong_second_factors", person)


def ended_by(person: User, binding: Binding) -> None:
    """Somebody got in after all: told where this authenticator, as it was read, had failed as often in a row."""
    if binding.failures >= throttles.WRONG_SECOND_FACTORS.count:
        notices.send("signed_in_after_failures", person)
