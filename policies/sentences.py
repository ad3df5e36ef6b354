"""What the engine's reason codes say to people."""

from collections.abc import Iterable

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from policies.terms import Reason

SENTENCES: dict[Reason, str | Promise] = {
    Reason.PERSON_INACTIVE: _("Your account is switched off."),
    Reason.TENANT_INACTIVE: _("Your organisation’s access is switched off."),
    Reason.NO_POLICY: _("Your organisation has no rules for signing in yet, so nobody is let in."),
    Reason.NO_EVIDENCE: _("This session has not proved anything. Please sign in again."),
    Reason.SECOND_FACTOR_OWED: _("Your account has two-step verification, and the second step is still missing."),
    Reason.SECOND_FACTOR_EXPIRED: _("It has been a while since you confirmed that it is you."),
    Reason.PROOF_NOT_ALLOWED: _("The method you used is no longer enough for your organisation."),
    Reason.PROOF_TOO_WEAK: _("Your organisation asks for a stronger method than the one you used."),
    Reason.NOTHING_USABLE: _("None of your methods can be used at the moment. Ask for help to get back in."),
    Reason.SECOND_FACTOR_PROVED: _("You confirmed your second step."),
    Reason.NOTHING_ENROLLED: _("Only a password protects your account so far."),
    Reason.TRUSTED_BROWSER: _("You trust this browser, so the second step was not asked for."),
    Reason.POLICY_OFF: _("Your organisation does not require two-step verification."),
    Reason.POLICY_OPTIONAL: _("Your organisation leaves two-step verification to you."),
    Reason.OUT_OF_SCOPE: _("Your organisation’s requirement is not for your role."),
    Reason.EXCLUDED: _("You are excluded from your organisation’s requirement for a time."),
    Reason.DEMAND_MET: _("You met what your organisation asks for."),
    Reason.BREAK_GLASS: _("This is an account for emergencies: it needs a security key, and every use is reported."),
    Reason.FACTOR_REQUIRED: _("Your organisation requires two-step verification."),
    Reason.TOO_FEW_FACTORS: _("Your organisation asks for two methods, and you have one."),
    Reason.ENROLLED_TOO_WEAK: _("Your organisation asks for a stronger method than the ones you have."),
    Reason.ENROLLED_NOT_ALLOWED: _("Your organisation no longer accepts the methods you have."),
    Reason.ENROLLED_UNUSABLE: _("The method you have can no longer be used."),
    Reason.ONLY_RECOVERY_CODES: _("You have recovery codes, but no method to use every day."),
    Reason.GRACE_OPEN: _("You still have some time to set it up."),
    Reason.GRACE_OVER: _("The time to set it up is over."),
    Reason.GRACE_CLOSED: _("After a reset, it has to be set up at once."),
    Reason.GRACE_NEEDS_BEST: _("Until then, the best method you have is needed."),
    Reason.NO_GRACE: _("It has to be set up before you can go on."),
}


def of(reasons: Iterable[Reason]) -> list[str | Promise]:
    """The sentences for these reasons, in their order."""
    return [SENTENCES[reason] for reason in reasons]
