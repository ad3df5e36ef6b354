"""What can go wrong in the policies room."""

from django.utils.translation import gettext_lazy as _

from accounts.errors import AccountsError


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
