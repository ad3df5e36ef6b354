"""What the gate did, deadlines, and the reminders of them."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import DECISION, Declare
from audit.declarations import ID, MOMENT, NUMBER, PERSONAL_TEXT, TEXT, WORDS, Category, Outcome, Severity
from audit.kinds import Kind

_enforcement: Declare = partial(CATALOGUE.declare, Category.ENFORCEMENT)
_enforcement(
    Kind.ENFORCEMENT_STOPPED,
    _("%(target)s was stopped: %(decision)s (%(reasons)s)."),
    outcome=Outcome.REFUSED,
    **DECISION,
)
_enforcement(Kind.ENFORCEMENT_GRACE_ALLOWED, _("%(target)s was let through in grace until %(deadline)s."), **DECISION)
_enforcement(
    Kind.ENFORCEMENT_WOULD_STOP,
    _("Version %(policy_version)s, on trial, would have stopped %(target)s: %(decision)s (%(reasons)s)."),
    **DECISION,
)
_enforcement(
    Kind.BREAK_GLASS_USED,
    _("%(target)s, an account for emergencies, was used to sign in: %(decision)s (%(reasons)s)."),
    Severity.ALARM,
    **DECISION,
)
_enforcement(
    Kind.DEADLINE_SET,
    _("%(target)s has until %(deadline)s to enrol."),
    Severity.NOTICE,
    deadline=MOMENT,
    previous=MOMENT,
    reason=PERSONAL_TEXT,
    policy_version=NUMBER,
)
_enforcement(
    Kind.DEADLINE_REFUSED,
    _("%(actor)s could not give %(target)s more time: %(code)s."),
    outcome=Outcome.REFUSED,
    code=TEXT,
)
_enforcement(
    Kind.DEADLINE_SNOOZED,
    _("%(target)s put the reminder off until %(until)s; %(left)s more times are left."),
    until=MOMENT,
    left=NUMBER,
)
_enforcement(Kind.REMINDER_ASKED_FOR, _("%(actor)s asked for a reminder of %(target)s."))
_enforcement(
    Kind.REMINDER_REFUSED,
    _("%(actor)s could not have %(target)s reminded: %(code)s."),
    outcome=Outcome.REFUSED,
    code=TEXT,
)
_enforcement(
    Kind.REMINDER_SENT, _("%(target)s was reminded of the deadline by mail."), attempts=NUMBER, trouble=PERSONAL_TEXT
)
_enforcement(
    Kind.REMINDER_UNSURE,
    _("A reminder of %(target)s was handed over, and the mail server did not answer: %(trouble)s."),
    Severity.NOTICE,
    attempts=NUMBER,
    trouble=PERSONAL_TEXT,
)
_enforcement(
    Kind.REMINDER_FAILED,
    _("A reminder of %(target)s was given up: %(trouble)s."),
    Severity.WARNING,
    outcome=Outcome.FAILED,
    attempts=NUMBER,
    trouble=PERSONAL_TEXT,
)
_enforcement(
    Kind.REMINDER_ROUND_STARTED,
    _("%(actor)s asked for reminders of “%(list)s” of %(target)s: %(people)s people."),
    Severity.NOTICE,
    round=ID,
    list=TEXT,
    search=PERSONAL_TEXT,
    role=TEXT,
    people=NUMBER,
)
_enforcement(
    Kind.REMINDER_ROUND_STOPPED,
    _("The reminders of %(target)s that %(actor)s asked for were stopped: %(code)s."),
    Severity.WARNING,
    outcome=Outcome.REFUSED,
    round=ID,
    code=TEXT,
)
_enforcement(
    Kind.CAMPAIGN_STARTED,
    _("%(actor)s started a campaign of reminders in %(target)s."),
    Severity.NOTICE,
    campaign=ID,
    days=WORDS,
)
_enforcement(
    Kind.CAMPAIGN_STOPPED, _("%(actor)s stopped a campaign of reminders in %(target)s."), Severity.NOTICE, campaign=ID
)
