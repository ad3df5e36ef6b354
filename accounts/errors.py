"""What can go wrong in the accounts room: one class per reason, each with a stable code and a sentence."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class AccountsError(Exception):
    """A rule of this room refused. `code` never changes; `message` tells people what to do next."""

    code: ClassVar[str] = "accounts_error"
    message: ClassVar[str | Promise] = _("That did not work. Please try again.")

    def __str__(self) -> str:
        return str(self.message)


class WrongCode(AccountsError):
    """The code is not the current one, or is malformed."""

    code = "wrong_code"
    message = _(
        "That code is not right or has expired. Enter the newest code from your app; if it keeps failing, check "
        "that your phone sets its clock automatically and that you look at the right account."
    )


class WrongPassword(AccountsError):
    """The password is not this person's."""

    code = "wrong_password"
    message = _("That is not your password.")


class WrongRecoveryCode(AccountsError):
    """The recovery code is not one of this person's unused codes."""

    code = "wrong_recovery_code"
    message = _(
        "That is not one of your unused recovery codes. Check the letters, use one you have not used yet, "
        "and make sure it belongs to your newest set."
    )


class CodeAlreadyUsed(AccountsError):
    """The TOTP code was right, but it or a later one was accepted before (RFC 6238 §5.2)."""

    code = "code_already_used"
    message = _("That code has been used already. Wait for the next one (up to 30 seconds) and enter it.")


class Paused(AccountsError):
    """Too many wrong codes: this authenticator waits until `until`; the others stay usable."""

    code = "paused"
    message = _("Too many wrong codes. Wait a little before you try again, or use another method.")

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


class Locked(AccountsError):
    """This authenticator failed so often in a row that it is out of use until it is bound anew."""

    code = "locked"
    message = _("This method is locked after too many wrong codes. Use another method, or ask for help.")


class Unreadable(AccountsError):
    """The stored secret does not open: only help from an administrator gets this authenticator back."""

    code = "unreadable"
    message = _(
        "Something is wrong with how this method is stored, so it cannot be checked. "
        "Nobody else is affected. Use another method, or ask your administrator for a reset."
    )


class SecretsUnavailable(AccountsError):
    """The site's encryption key does not fit what is stored: second factors cannot be checked at all."""

    code = "secrets_unavailable"
    message = _(
        "Codes from authenticator apps cannot be checked just now, because of a fault on our side. The operators have "
        "been alerted. A security key, a passkey or a recovery code still works."
    )


class NotEnrolled(AccountsError):
    """The person has no such authenticator (any more)."""

    code = "not_enrolled"
    message = _("This method is not set up for your account.")


class MethodNotAllowed(AccountsError):
    """The tenant's policy, or the site, does not allow this method."""

    code = "method_not_allowed"
    message = _("Your organisation does not allow this method. Choose another one.")


class AlreadyEnrolled(AccountsError):
    """There is an authenticator app already: it can be replaced, not doubled."""

    code = "already_enrolled"
    message = _("An authenticator app is set up already. You can replace it.")


class EnrolmentExpired(AccountsError):
    """The set-up was begun too long ago, in another session, or finished in another tab."""

    code = "enrolment_expired"
    message = _("This set-up is no longer valid. Start again: scan the new code and enter what your app shows.")


class NotFresh(AccountsError):
    """A sensitive action needs a proof from the last minutes, by a factor that is not brand-new."""

    code = "not_fresh"
    message = _("Please confirm that it is you.")


class EnrolmentGuarded(AccountsError):
    """After a reset a password alone may not enrol: a mailed link or an access pass comes first (security 55)."""

    code = "enrolment_guarded"
    message = _("Your two-step verification was reset. Open the link we mailed you, or enter an access pass, first.")


class LastAuthenticator(AccountsError):
    """The policy requires a factor and this is the last one that counts; it can be replaced."""

    code = "last_authenticator"
    message = _("Your organisation requires two-step verification, and this is your last method. Add or replace first.")


class CannotTurnOff(AccountsError):
    """The policy requires two-step verification of this person."""

    code = "cannot_turn_off"
    message = _("Your organisation requires two-step verification, so it cannot be turned off.")


class TooManyRequests(AccountsError):
    """A limit per account and network, or per network, was reached: that of `scope`; it ends at `until`.

    `is_new` says that this try began the pause: the ones after it are told the same, and not recorded again.
    """

    code = "too_many_requests"
    message = _("Too many attempts. Please wait a little and try again.")

    def __init__(self, until: datetime, *, scope: str = "", is_new: bool = True) -> None:
        super().__init__()
        self.until, self.scope, self.is_new = until, scope, is_new


class UnreadableWords(AccountsError):
    """A text for the record holds characters that hide or reorder others."""

    code = "unreadable_words"
    message = _("Leave out control characters and others that cannot be seen: the record has to stay readable.")


class LinkInvalid(AccountsError):
    """A mailed link was used, replaced, or has run out."""

    code = "link_invalid"
    message = _("This link has been used already or is no longer valid. Ask your administrator for a new one.")


class GroupInUse(AccountsError):
    """Policies look at this group; `tenants` are the names of theirs."""

    code = "group_in_use"

    def __init__(self, tenants: Iterable[str]) -> None:
        super().__init__()
        self.tenants = list(tenants)

    def __str__(self) -> str:
        words = _(
            "The policy of %(tenants)s names this group, in force, on trial or in a draft. Take it out there first."
        )
        return words % {"tenants": ", ".join(self.tenants)}


class NotAllowed(AccountsError):
    """The actor may not do this to this person."""

    code = "not_allowed"
    message = _("You may not do this.")
