"""What administrators do to somebody else's account: asked for, agreed to, taken back, left undone.

What an act does when it is carried out has an event of its own, which names it.
"""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import Declare
from audit.catalogue.reasons import REASON
from audit.declarations import FLAG, ID, MOMENT, NUMBER, PERSONAL_TEXT, TEXT, Category, Outcome, Severity
from audit.kinds import Kind

_ACT = {"intervention": ID, "act": TEXT, "authenticator": ID, "by_command": FLAG}
_interventions: Declare = partial(CATALOGUE.declare, Category.RECOVERY)
_interventions(
    Kind.INTERVENTION_ASKED,
    _("%(actor)s asked for an act on the account of %(target)s (%(act)s)."),
    Severity.WARNING,
    reason=PERSONAL_TEXT,
    verified_how=PERSONAL_TEXT,
    ticket=PERSONAL_TEXT,
    caller_check=ID,
    email=PERSONAL_TEXT,
    needs_approval=FLAG,
    not_before=MOMENT,
    **_ACT,
)
_interventions(
    Kind.INTERVENTION_APPROVED,
    _("%(actor)s agreed to an act on the account of %(target)s (%(act)s)."),
    Severity.WARNING,
    **_ACT,
)
_interventions(
    Kind.INTERVENTION_DECLINED,
    _("%(actor)s declined an act on the account of %(target)s (%(act)s)."),
    Severity.NOTICE,
    **_ACT,
)
_interventions(
    Kind.INTERVENTION_CANCELLED,
    _("An act on the account of %(target)s (%(act)s) was cancelled: %(channel)s."),
    Severity.WARNING,
    channel=TEXT,
    **_ACT,
)
_interventions(
    Kind.INTERVENTION_LAPSED,
    _("An act on the account of %(target)s (%(act)s) was not carried out: %(trouble)s."),
    Severity.NOTICE,
    outcome=Outcome.FAILED,
    trouble=TEXT,
    **_ACT,
)
_interventions(
    Kind.INTERVENTION_REFUSED,
    _("%(actor)s may not act on the account of %(target)s (%(act)s): %(reason)s."),
    Severity.WARNING,
    outcome=Outcome.REFUSED,
    act=TEXT,
    reason=REASON,
)
_interventions(
    Kind.PASSWORD_DEMANDED,
    _("%(actor)s demanded a new password of %(target)s; the old one works no more."),
    Severity.WARNING,
    sessions=NUMBER,
    intervention=ID,
)
