"""Signing in, step by step, and sessions."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import DECISION, ENDING, PAUSE, PROOF, REFUSAL, Declare
from audit.declarations import FLAG, MOMENT, NUMBER, TEXT, WORDS, Category, Outcome, Severity
from audit.kinds import Kind

_sign_in: Declare = partial(CATALOGUE.declare, Category.SIGN_IN)
_sign_in_refused: Declare = partial(_sign_in, severity=Severity.WARNING, outcome=Outcome.REFUSED)
_sign_in(Kind.SIGN_IN_FIRST_FACTOR_ACCEPTED, _("%(target)s passed the first step (%(method)s)."), **PROOF)
_sign_in_refused(Kind.SIGN_IN_FAILED, _("Signing in as %(target)s failed."), **REFUSAL)
_sign_in_refused(
    Kind.SIGN_IN_REFUSED,
    _("%(target)s was not let in: %(reason)s."),
    decision=TEXT,
    reasons=WORDS,
    policy_version=NUMBER,
    **REFUSAL,
)
_sign_in_refused(Kind.SIGN_IN_THROTTLED, _("Signing in as %(target)s is paused until %(until)s."), **PAUSE)
_sign_in_refused(Kind.SIGN_IN_PASSKEY_REFUSED, _("A passkey of %(target)s was refused: %(reason)s."), **REFUSAL)
_sign_in(Kind.SIGN_IN_CANCELLED, _("%(target)s cancelled signing in."), **ENDING)
_sign_in(
    Kind.SIGN_IN_COMPLETED,
    _("%(target)s signed in (%(strength)s: %(methods)s)."),
    decision=TEXT,
    reasons=WORDS,
    policy_version=NUMBER,
    deadline=MOMENT,
    passwordless=FLAG,
    first=FLAG,
    **PROOF,
)
_sign_in(Kind.SECOND_FACTOR_DEMANDED, _("%(target)s was asked for a second factor."), **DECISION)
_sign_in(Kind.SECOND_FACTOR_ACCEPTED, _("%(target)s passed the second step (%(method)s)."), **PROOF)
_sign_in_refused(Kind.SECOND_FACTOR_FAILED, _("A second factor of %(target)s was refused: %(reason)s."), **REFUSAL)
_sign_in_refused(Kind.SECOND_FACTOR_THROTTLED, _("A second factor of %(target)s is paused."), **PAUSE)
_sign_in(Kind.REAUTHENTICATION_ACCEPTED, _("%(target)s confirmed their identity (%(method)s)."), **PROOF)
_sign_in_refused(Kind.REAUTHENTICATION_FAILED, _("%(target)s did not confirm their identity: %(reason)s."), **REFUSAL)
_sign_in_refused(Kind.REAUTHENTICATION_THROTTLED, _("Confirming the identity of %(target)s is paused."), **PAUSE)
_sign_in_refused(
    Kind.REQUESTS_THROTTLED,
    _("Too many requests (%(scope)s), the last about %(target)s: paused until %(until)s."),
    **PAUSE,
)
_sign_in(Kind.SESSION_ENDED, _("A session of %(target)s was ended: %(reason)s."), **ENDING)
_sign_in(Kind.SIGNED_OUT, _("%(target)s signed out."), **ENDING)
_sign_in(Kind.PASSWORD_CHANGED, _("The password of %(target)s was changed."), Severity.NOTICE, first=FLAG)
