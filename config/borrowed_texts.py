"""Texts of packages that our pages show, named here so that they are found when texts are collected.

allauth's own German says "du" to people, and its Arabic has other words than ours for the same things; the tasks'
models are in English alone. A translation in our catalogue wins over a package's.
"""

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

BORROWED = (
    _("Password (again)"),
    _("Current Password"),
    _("New Password"),
    _("New Password (again)"),
    _("Email address"),
    _("You must type the same password each time."),
    _("Please type your current password."),
    _("Incorrect password."),
    _("The email address and/or password you specified are not correct."),
    _("Too many failed login attempts. Try again later."),
    _("This account is currently inactive."),
    _("A user is already registered with this email address."),
    _("This email address is already associated with this account."),
    _("The email address is not assigned to any user account."),
    _("You cannot add more than %d email addresses."),
    _("You cannot remove your primary email address."),
    _("The password reset token was invalid."),
    _("You cannot remove your primary email address (%(email)s)."),
    _("Unable to confirm %(email)s because it is already confirmed by a different account."),
    _("Confirmation email sent to %(email)s."),
    _("You have confirmed %(email)s."),
    _("Removed email address %(email)s."),
    _("You have signed out."),
    _("Password successfully changed."),
    _("Password successfully set."),
    _("Primary email address set."),
    _("Your primary email address must be verified."),
    _("Save and add another"),
    _("Save and continue editing"),
)
"""msgids of allauth, and of Django's admin, as they stand in their catalogues."""

UNTRANSLATED = (
    _("Task Result"),
    _("Task Results"),
    _("enqueued at"),
    _("started at"),
    _("finished at"),
    _("args kwargs"),
    _("priority"),
    _("task path"),
    _("queue name"),
    _("exception class path"),
    pgettext_lazy("Task", "Ready"),
    pgettext_lazy("Task", "Running"),
    pgettext_lazy("Task", "Failed"),
    pgettext_lazy("Task", "Successful"),
    _("expire date"),
)
"""Names of the tasks' fields and states, and of one of Django's abstract session, which is not installed."""
