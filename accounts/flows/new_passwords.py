"""An administrator demands a new password of somebody, whose old one others may know. Nobody sets it for them."""

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from accounts import notices
from accounts.errors import AccountsError
from accounts.flows import password_reset, people, reset
from accounts.models import Intervention, Notice, User
from audit.kinds import Kind
from audit.log import record

MAIL: Final = "account/email/password_reset_key"


class NoVerifiedAddress(AccountsError):
    """There is nowhere to mail a link to."""

    code = "no_verified_address"
    message = _("This person has no verified mail address to which a link could go. Change their address first.")


def require_possible(act: Intervention, person: User) -> None:
    """Raises NoVerifiedAddress where the person could not choose another."""
    if not notices.addresses_of(person):
        raise NoVerifiedAddress


def carry_out(act: Intervention, person: User, *, actor: User) -> None:
    """The password works no more, and sessions end; a link to choose another goes to every verified address.

    The person's row is held. The second factor stays owed (security 53).
    """
    person.set_unusable_password()
    person.save(update_fields=["password"])
    people.raise_security_version(person)
    ended = reset.sign_out_everywhere(person, actor=actor, reason="password_demanded")
    record(Kind.PASSWORD_DEMANDED, actor=actor, target=person, sessions=ended, intervention=str(act.pk))
    notices.send("password_demanded", person, by_other=True)
    notices.owe([Notice(person=person, address=one, name=MAIL) for one in notices.addresses_of(person)])


def fresh(notice: Notice) -> dict[str, Any] | None:
    """The link to choose another, as the mail goes out: no table holds its token. None where one was chosen."""
    person = notice.person
    if person.has_usable_password() or not person.is_active:
        return None
    return {"password_reset_url": password_reset.link_for(person)}
