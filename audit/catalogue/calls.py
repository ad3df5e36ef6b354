"""Calls: whether the person and whoever called them made sure of each other."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import Declare
from audit.declarations import ID, NUMBER, PERSONAL_TEXT, TEXT, Category, Outcome, Severity
from audit.kinds import Kind

_CHECK = {"caller_check": ID, "ticket": PERSONAL_TEXT}
_calls: Declare = partial(CATALOGUE.declare, Category.RECOVERY)
_calls(
    Kind.CALLER_CHECK_STARTED, _("%(actor)s began to check a call with %(target)s about ticket %(ticket)s."), **_CHECK
)
_calls(
    Kind.CALLER_CHECK_PASSED,
    _("%(actor)s recognised %(target)s in a call about ticket %(ticket)s."),
    Severity.NOTICE,
    channel=TEXT,
    **_CHECK,
)
_calls(
    Kind.CALLER_CHECK_FAILED,
    _("A wrong code was entered in a call with %(target)s about ticket %(ticket)s."),
    Severity.WARNING,
    outcome=Outcome.REFUSED,
    side=TEXT,
    failures=NUMBER,
    **_CHECK,
)
