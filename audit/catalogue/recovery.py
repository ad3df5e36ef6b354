"""Ways back in: new passwords, recovery codes, resets."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import METHOD, METHODS, Declare
from audit.catalogue.reasons import REASON
from audit.declarations import ID, NUMBER, PERSONAL_TEXT, TEXT, Category, Outcome, Severity
from audit.kinds import Kind

_recovery: Declare = partial(CATALOGUE.declare, Category.RECOVERY)
_recovery_refused: Declare = partial(_recovery, severity=Severity.WARNING, outcome=Outcome.REFUSED)
_recovery(
    Kind.PASSWORD_RESET_REQUESTED,
    _("A new password for %(target)s was asked for."),
    email=PERSONAL_TEXT,
    reason=REASON,
)
_recovery(Kind.PASSWORD_RESET, _("%(target)s set a new password by a mailed link."), Severity.NOTICE, sessions=NUMBER)
_recovery_refused(
    Kind.PASSWORD_RESET_REFUSED,
    _("A link for a new password was refused: %(reason)s."),
    email=PERSONAL_TEXT,
    reason=REASON,
)
_recovery(
    Kind.RECOVERY_CODES_MADE,
    _("%(target)s made %(count)s recovery codes."),
    Severity.NOTICE,
    count=NUMBER,
    authenticator=ID,
    replaces=ID,
)
_recovery(Kind.RECOVERY_CODES_VIEWED, _("%(target)s was shown new recovery codes."), authenticator=ID, count=NUMBER)
_recovery(
    Kind.RECOVERY_CODES_DOWNLOADED,
    _("%(target)s downloaded new recovery codes."),
    authenticator=ID,
    count=NUMBER,
)
_recovery(
    Kind.RECOVERY_CODES_SAVED,
    _("%(target)s confirmed that the recovery codes are saved."),
    authenticator=ID,
    count=NUMBER,
)
_recovery(
    Kind.RECOVERY_CODES_USED,
    _("%(target)s used a recovery code; %(left)s are left."),
    Severity.NOTICE,
    authenticator=ID,
    left=NUMBER,
    session=ID,
    purpose=TEXT,
)
_recovery(
    Kind.DRILL_PASSED,
    _("%(target)s checked that an authenticator works (%(method)s), without using it."),
    authenticator=ID,
    method=METHOD,
)
_recovery(
    Kind.MFA_RESET,
    _("%(actor)s reset the authenticators of %(target)s."),
    Severity.WARNING,
    reason=PERSONAL_TEXT,
    verified_how=PERSONAL_TEXT,
    removed=NUMBER,
    sessions=NUMBER,
    methods=METHODS,
    intervention=ID,
)
_recovery(
    Kind.NOTICE_DISOWNED,
    _("Whoever reads the mail of %(target)s said that what a notice told was not them (%(notice)s)."),
    Severity.ALARM,
    notice=TEXT,
    sessions=NUMBER,
)
