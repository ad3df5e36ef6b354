"""Ways back in: requests for help, and the mailed links and access passes that let somebody enrol again."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import Declare
from audit.catalogue.reasons import REASON
from audit.declarations import FLAG, ID, MOMENT, NUMBER, Category, Outcome, Severity
from audit.kinds import Kind

_LINK = {"link": ID}
_PASS = {"access_pass": ID, "intervention": ID}
_admissions: Declare = partial(CATALOGUE.declare, Category.RECOVERY)
_refused: Declare = partial(_admissions, severity=Severity.WARNING, outcome=Outcome.REFUSED)
_admissions(
    Kind.ENROLMENT_LINK_SENT,
    _("A link to set up two-step verification was mailed to %(target)s (%(addresses)s ×), good until %(until)s."),
    addresses=NUMBER,
    until=MOMENT,
)
_admissions(
    Kind.ENROLMENT_LINK_USED,
    _("%(target)s opened the mailed link to set up two-step verification."),
    Severity.NOTICE,
    session=ID,
    **_LINK,
)
_refused(Kind.ENROLMENT_LINK_REFUSED, _("An enrolment link was refused for %(target)s: %(reason)s."), reason=REASON)
_admissions(
    Kind.ACCESS_PASS_ISSUED,
    _("An access pass for %(target)s may be shown to %(actor)s once."),
    Severity.NOTICE,
    until=MOMENT,
    **_PASS,
)
_admissions(
    Kind.ACCESS_PASS_SHOWN,
    _("%(actor)s was shown an access pass for %(target)s, good until %(until)s."),
    Severity.WARNING,
    until=MOMENT,
    **_PASS,
)
_admissions(Kind.ACCESS_PASS_USED, _("%(target)s used an access pass."), Severity.NOTICE, session=ID, **_PASS)
_refused(
    Kind.ACCESS_PASS_REFUSED,
    _("%(target)s entered what is no valid access pass: %(reason)s."),
    reason=REASON,
    failures=NUMBER,
    **_PASS,
)
_admissions(
    Kind.ACCESS_PASS_REVOKED,
    _("An access pass of %(target)s was revoked: %(reason)s."),
    Severity.NOTICE,
    reason=REASON,
    **_PASS,
)
_admissions(Kind.ACCESS_PASS_LAPSED, _("An access pass of %(target)s ran out unused."), **_PASS)
_admissions(
    Kind.HELP_ASKED,
    _("Somebody asked the administrators of %(target)s to help them back in."),
    knew_password=FLAG,
)
_admissions(Kind.HELP_CLOSED, _("%(actor)s closed the request for help of %(target)s."), request=ID)
