"""What can go wrong in the policies room."""

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from accounts.errors import AccountsError
from accounts.models import User


class PolicyError(AccountsError):
    """A rule about policies refused."""

    code = "policy_error"


class StaleDraft(PolicyError):
    """Somebody else published since this change was begun; nothing is overwritten."""

    code = "stale_draft"
    message = _("Somebody else changed this policy meanwhile. Look at the new version, then make your change again.")


class ReasonMissing(PolicyError):
    """A change of the policy needs a reason for the record."""

    code = "reason_missing"
    message = _("Say why you make this change: it becomes part of the record.")


class OwnFactorFirst(PolicyError):
    """Whoever publishes a policy proves a second factor, so they have to own one."""

    code = "own_factor_first"
    message = _("Set up a second factor of your own first. Then come back and publish.")


class LocksOut(PolicyError):
    """No administrator of the tenant could get in any more by what they own; `people` are those there are."""

    code = "locks_out"

    def __init__(self, people: Iterable[User]) -> None:
        super().__init__()
        self.people = list(people)

    def __str__(self) -> str:
        names = ", ".join(person.email for person in self.people)
        return _("Nobody could administer this tenant any more. These would be stopped: %(names)s.") % {"names": names}


class TestsFail(PolicyError):
    """Tests that are kept with the policy do not hold; `names` are theirs."""

    __test__ = False  # not one of ours
    code = "tests_fail"

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = list(names)

    def __str__(self) -> str:
        return _("These tests of the policy fail: %(names)s.") % {"names": "; ".join(self.names)}


class NothingToConfirm(PolicyError):
    """Nothing waits, or the time is over and the version before is in force again."""

    code = "nothing_to_confirm"
    message = _("There is nothing to confirm any more. Look at what is in force now.")


class SignedInBefore(PolicyError):
    """This session was made before the version: it shows nothing about signing in under it."""

    code = "signed_in_before"
    message = _("Sign in again first, in this or another browser: that shows that you still can.")


class NotShown(PolicyError):
    """Who confirms shows nothing about the administrators of this tenant getting in by what they own."""

    code = "not_shown"
    message = _(
        "An administrator of this tenant has to confirm it: somebody whom it lets in by a method of their own, "
        "not for a time or by way of exception."
    )


class ExportTooLarge(PolicyError):
    """There are more events than go out at once, and nowhere to write a file; `most` is how many go out."""

    code = "export_too_large"

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __str__(self) -> str:
        words = _("These are more than %(most)s events. Ask for fewer: a shorter time, a person, a subject.")
        return words % {"most": self.most}


class TooManyExports(PolicyError):
    """Somebody has as many files as they may have at once."""

    code = "too_many_exports"
    message = _("You have three exports already. The oldest expires first; then you can ask for another.")


class ExportGone(PolicyError):
    """The file is not there any more."""

    code = "export_gone"
    message = _("This file is not there any more. Ask for the export again.")
