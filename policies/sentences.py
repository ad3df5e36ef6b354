"""What codes say to people: reasons, outcomes, endings and methods, to whom they are about and to others about them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.assurance import Method
from policies.rollout.simulation import Ending
from policies.terms import Outcome, Reason

Words = str | Promise

SENTENCES: Final[Mapping[Reason, Words]] = {
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
    Reason.ADMITTED_TO_ENROL: _("You came in with an access pass, which is good for one thing: setting up a method."),
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
"""To the person."""

THEIRS: Final[Mapping[Reason, Words]] = {
    Reason.PERSON_INACTIVE: _("The account of %(name)s is switched off."),
    Reason.TENANT_INACTIVE: _("The tenant is switched off."),
    Reason.NO_POLICY: _("The tenant has no policy, so nobody is let in."),
    Reason.NO_EVIDENCE: _("The session has proved nothing by anything that %(name)s still has."),
    Reason.SECOND_FACTOR_OWED: _("%(name)s has two-step verification, and the second step was still missing."),
    Reason.SECOND_FACTOR_EXPIRED: _("The second step was too long ago."),
    Reason.PROOF_NOT_ALLOWED: _("The method that %(name)s used is not accepted by the policy."),
    Reason.PROOF_TOO_WEAK: _("The policy asks %(name)s for a stronger method than the one that was used."),
    Reason.NOTHING_USABLE: _("None of the methods of %(name)s can be used: only a reset helps."),
    Reason.SECOND_FACTOR_PROVED: _("The second step was confirmed."),
    Reason.NOTHING_ENROLLED: _("Only a password protects the account so far."),
    Reason.ADMITTED_TO_ENROL: _("%(name)s came in with an access pass, which is good for setting up a method alone."),
    Reason.TRUSTED_BROWSER: _("The browser is trusted, so the second step was not asked for: a single factor."),
    Reason.POLICY_OFF: _("The policy is switched off."),
    Reason.POLICY_OPTIONAL: _("The policy leaves two-step verification to people."),
    Reason.OUT_OF_SCOPE: _("The policy is not for %(name)s."),
    Reason.EXCLUDED: _("%(name)s is excluded from the policy for a time."),
    Reason.DEMAND_MET: _("%(name)s met what the policy asks for."),
    Reason.BREAK_GLASS: _(
        "%(name)s is an account for emergencies: it needs a security key and meets no other rule, and every use is "
        "reported."
    ),
    Reason.FACTOR_REQUIRED: _("The policy requires two-step verification, and %(name)s has not set it up."),
    Reason.TOO_FEW_FACTORS: _("The policy asks for two methods, and %(name)s has one that counts."),
    Reason.ENROLLED_TOO_WEAK: _("The policy asks for a stronger method than the ones %(name)s has."),
    Reason.ENROLLED_NOT_ALLOWED: _("The policy accepts none of the methods %(name)s has."),
    Reason.ENROLLED_UNUSABLE: _("What %(name)s has would count, but is locked or cannot be read."),
    Reason.ONLY_RECOVERY_CODES: _("%(name)s has recovery codes, but no method to use every day."),
    Reason.GRACE_OPEN: _("There is still time to set it up."),
    Reason.GRACE_OVER: _("The time to set it up is over."),
    Reason.GRACE_CLOSED: _("A reset ended the time to set it up, for good."),
    Reason.GRACE_NEEDS_BEST: _("There is still time, but only for who proves the best method they have."),
    Reason.NO_GRACE: _("The policy gives %(name)s no time to set it up."),
}
"""About the person, to whoever administers."""

YOUR_OUTCOMES: Final[Mapping[Outcome, Words]] = {
    Outcome.ALLOW: _("You may go on."),
    Outcome.ALLOW_IN_GRACE: _("You may go on for now. Two-step verification has to be set up in time."),
    Outcome.STEP_UP: _("Before you can go on, confirm that it is you with a second step."),
    Outcome.ENROL: _("Before you can go on, a method for two-step verification has to be set up."),
    Outcome.DENY: _("You cannot go on."),
}
THEIR_OUTCOMES: Final[Mapping[Outcome, Words]] = {
    Outcome.ALLOW: _("%(name)s was let in."),
    Outcome.ALLOW_IN_GRACE: _("%(name)s was let in for the time being."),
    Outcome.STEP_UP: _("%(name)s was asked for a second factor."),
    Outcome.ENROL: _("%(name)s was stopped, to set up two-step verification."),
    Outcome.DENY: _("%(name)s was not let in."),
}
"""What happened."""

WOULD_BE: Final[Mapping[Outcome, Words]] = {
    Outcome.ALLOW: _("%(name)s would be let in."),
    Outcome.ALLOW_IN_GRACE: _("%(name)s would be let in for the time being."),
    Outcome.STEP_UP: _("%(name)s would be asked for a second factor."),
    Outcome.ENROL: _("%(name)s would be stopped, to set up two-step verification."),
    Outcome.DENY: _("%(name)s would not be let in."),
}
"""What other rules would make of the same facts."""

ENDINGS: Final[Mapping[Ending, Words]] = {
    Ending.PASSES: _("At the next sign-in %(name)s would be let in, and asked for no second factor."),
    Ending.ASKED: _("At the next sign-in %(name)s would be asked for a second factor, and let in."),
    Ending.IN_GRACE: _("At the next sign-in %(name)s would be let in for the time being."),
    Ending.MUST_ENROL: _("At the next sign-in %(name)s would be stopped, to set up two-step verification."),
    Ending.DENIED: _("At the next sign-in %(name)s would not be let in."),
}
"""What would happen to somebody who knows the password and has at hand all that they own."""

METHODS: Final[Mapping[Method, Words]] = {
    Method.WEBAUTHN: _("Passkey or security key"),
    Method.TOTP: _("Authenticator app"),
    Method.RECOVERY_CODE: _("Recovery code"),
    Method.EMAIL_CODE: _("Code by e-mail"),
    Method.SMS_CODE: _("Code by SMS"),
    Method.PASSWORD: _("Password"),
    Method.SSO: _("Identity provider"),
    Method.ACCESS_PASS: _("Access pass"),
    Method.ENROLMENT_LINK: _("Mailed enrolment link"),
}


def of(reasons: Iterable[Reason], name: str = "") -> list[Words]:
    """The sentences for these reasons, in their order: to the person, or about them where a name is given."""
    if not name:
        return [SENTENCES[reason] for reason in reasons]
    return [about(THEIRS[reason], name) for reason in reasons]


def signed_out_after(limit: timedelta) -> str:
    """What somebody is told whose session lay unused for longer than the policy lets it."""
    minutes = int(limit.total_seconds() // 60)
    return ngettext(
        "You were signed out because nothing happened here for %(minutes)s minute. Sign in again to go on.",
        "You were signed out because nothing happened here for %(minutes)s minutes. Sign in again to go on.",
        minutes,
    ) % {"minutes": minutes}


def about(words: Words, name: str) -> str:
    """One sentence about somebody, in the language of the moment."""
    return str(words) % {"name": name}
