"""What people own: added, refused, replaced, removed, locked."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import AUTHENTICATOR, METHOD, MINTED, REFUSAL, Declare
from audit.catalogue.reasons import REASON
from audit.declarations import DOCUMENT, ID, NUMBER, PERSONAL_TEXT, TEXT, Category, Outcome, Severity
from audit.kinds import Kind

_authenticators: Declare = partial(CATALOGUE.declare, Category.AUTHENTICATORS)
_authenticators_refused: Declare = partial(_authenticators, severity=Severity.WARNING, outcome=Outcome.REFUSED)
_authenticators(
    Kind.AUTHENTICATOR_ADDED, _("%(target)s added an authenticator (%(method)s)."), Severity.NOTICE, **MINTED
)
_authenticators_refused(
    Kind.AUTHENTICATOR_REFUSED, _("An authenticator for %(target)s was not added: %(reason)s."), **REFUSAL
)
_authenticators(
    Kind.AUTHENTICATOR_ADOPTED,
    _("An authenticator of %(target)s (%(method)s) moved in from an older system."),
    Severity.NOTICE,
    **MINTED,
)
_authenticators(
    Kind.AUTHENTICATOR_RENAMED,
    _("%(target)s renamed an authenticator to %(after)s."),
    authenticator=ID,
    method=METHOD,
    before=PERSONAL_TEXT,
    after=PERSONAL_TEXT,
)
_authenticators(
    Kind.AUTHENTICATOR_REPLACED, _("%(target)s replaced an authenticator (%(method)s)."), Severity.NOTICE, **MINTED
)
_authenticators(
    Kind.AUTHENTICATOR_REMOVED,
    _("%(actor)s removed an authenticator (%(method)s) of %(target)s."),
    Severity.NOTICE,
    reason=REASON,
    left=NUMBER,
    sessions=NUMBER,
    intervention=ID,
    **AUTHENTICATOR,
)
_authenticators(
    Kind.AUTHENTICATOR_REMOVAL_REFUSED,
    _("An authenticator of %(target)s was not removed: %(reason)s."),
    outcome=Outcome.REFUSED,
    **REFUSAL,
)
_authenticators(
    Kind.AUTHENTICATOR_LOCKED,
    _("An authenticator of %(target)s (%(method)s) was locked after %(failures)s failures."),
    Severity.ALARM,
    outcome=Outcome.REFUSED,
    **REFUSAL,
)
_authenticators(
    Kind.AUTHENTICATOR_UNLOCKED,
    _("%(actor)s unlocked an authenticator (%(method)s) of %(target)s."),
    Severity.NOTICE,
    explanation=PERSONAL_TEXT,
    **AUTHENTICATOR,
)
_authenticators(
    Kind.AUTHENTICATOR_CLONED_SUSPECTED,
    _("A key of %(target)s counted backwards: it may have been copied."),
    Severity.ALARM,
    outcome=Outcome.REFUSED,
    stored=NUMBER,
    received=NUMBER,
    **REFUSAL,
)
_authenticators(
    Kind.AUTHENTICATOR_UNREADABLE,
    _("The secret of an authenticator of %(target)s could not be opened: %(reason)s."),
    Severity.ALARM,
    outcome=Outcome.FAILED,
    key=TEXT,
    **REFUSAL,
)
_authenticators(
    Kind.ENROLMENT_STATE_REPAIRED,
    _("The counters of what %(target)s owns were wrong and were put right."),
    Severity.WARNING,
    before=DOCUMENT,
    after=DOCUMENT,
)
_authenticators(
    Kind.TWO_STEP_TURNED_OFF,
    _("%(target)s turned two-step verification off."),
    Severity.WARNING,
    removed=NUMBER,
    session=ID,
)
