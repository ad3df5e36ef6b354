"""What happened to somebody's account, told to them: the record speaks about people, these sentences to them.

Only kinds that are here are shown. Of an event's facts only those that a sentence names are: never what somebody wrote
for the record, and never who an administrator is.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.catalogue.fields import METHOD_WORDS
from audit.kinds import Kind

Words = str | Promise

YOURS: Final[Mapping[Kind, Words]] = {
    Kind.PERSON_SIGNED_UP: _("You signed up."),
    Kind.PERSON_ADDED: _("Your account was made."),
    Kind.PERSON_JOINED_TENANT: _("Your account joined this organisation."),
    Kind.PERSON_CHANGED: _("Your account was changed."),
    Kind.PERSON_EMAIL_VERIFIED: _("A mail address of yours was confirmed."),
    Kind.EMAIL_ADDED: _("You added a mail address."),
    Kind.EMAIL_CHANGED: _("You changed the mail address you sign in with."),
    Kind.EMAIL_REMOVED: _("You removed a mail address."),
    Kind.INVITATION_SENT: _("You were invited by mail."),
    Kind.INVITATION_ACCEPTED: _("You accepted the invitation."),
    Kind.GROUPS_CHANGED: _("Your groups were changed."),
    Kind.SIGN_IN_FAILED: _("Somebody tried to sign in to your account with a wrong password."),
    Kind.SIGN_IN_THROTTLED: _("After too many wrong passwords, signing in from there had to wait."),
    Kind.SIGN_IN_REFUSED: _("Your password was right, but your organisation did not let you in."),
    Kind.SIGN_IN_PASSKEY_REFUSED: _("Signing in with a passkey of yours was refused."),
    Kind.SIGN_IN_CANCELLED: _("A sign-in ended before the second step."),
    Kind.SIGN_IN_COMPLETED: _("You signed in."),
    Kind.SECOND_FACTOR_DEMANDED: _("Your password was right, and the second step was asked for."),
    Kind.SECOND_FACTOR_FAILED: _("A second step was wrong: %(method)s."),
    Kind.SECOND_FACTOR_THROTTLED: _("Too many wrong second steps: %(method)s has to wait."),
    Kind.REAUTHENTICATION_ACCEPTED: _("You confirmed that it is you: %(method)s."),
    Kind.REAUTHENTICATION_FAILED: _("A wrong password was given where you are asked to confirm that it is you."),
    Kind.SESSION_ENDED: _("You ended a session of yours."),
    Kind.SIGNED_OUT: _("You signed out."),
    Kind.BROWSER_FIRST_SEEN: _("You signed in with a browser that was new to us."),
    Kind.BROWSER_TRUSTED: _("You trusted a browser until %(until)s."),
    Kind.BROWSER_TRUST_USED: _("A trusted browser let you in without the second step."),
    Kind.BROWSER_TRUST_ENDED: _("A browser is trusted no more."),
    Kind.PASSWORD_CHANGED: _("Your password was changed."),
    Kind.PASSWORD_RESET_REQUESTED: _("A link for a new password was asked for."),
    Kind.PASSWORD_RESET: _("A new password was set by a mailed link."),
    Kind.PASSWORD_RESET_REFUSED: _("A mailed link for a new password was refused."),
    Kind.AUTHENTICATOR_ADDED: _("You added a method: %(method)s."),
    Kind.AUTHENTICATOR_REFUSED: _("A method was not accepted when you set it up: %(method)s."),
    Kind.AUTHENTICATOR_ADOPTED: _("A method came along from an older system: %(method)s."),
    Kind.AUTHENTICATOR_RENAMED: _("You gave a key another name."),
    Kind.AUTHENTICATOR_REPLACED: _("You replaced a method: %(method)s."),
    Kind.AUTHENTICATOR_REMOVED: _("You removed a method: %(method)s."),
    Kind.AUTHENTICATOR_REMOVAL_REFUSED: _("A method could not be removed, because your organisation needs it."),
    Kind.AUTHENTICATOR_LOCKED: _("A method was locked after too many wrong codes: %(method)s."),
    Kind.AUTHENTICATOR_UNLOCKED: _("A method was unlocked: %(method)s."),
    Kind.AUTHENTICATOR_CLONED_SUSPECTED: _("A key of yours counted backwards: it may have been copied. Remove it."),
    Kind.AUTHENTICATOR_UNREADABLE: _("A method could not be checked because of a fault on our side: %(method)s."),
    Kind.TWO_STEP_TURNED_OFF: _("You turned two-step verification off."),
    Kind.RECOVERY_CODES_MADE: _("You made new recovery codes."),
    Kind.RECOVERY_CODES_DOWNLOADED: _("You downloaded your recovery codes."),
    Kind.RECOVERY_CODES_SAVED: _("You said that your recovery codes are saved."),
    Kind.RECOVERY_CODES_USED: _("You used a recovery code. Left: %(left)s."),
    Kind.MFA_RESET: _("An administrator reset your two-step verification."),
    Kind.HELP_ASKED: _("Help with signing in was asked for under your address."),
    Kind.HELP_CLOSED: _("A request for help under your address was closed."),
    Kind.INTERVENTION_ASKED: _("An administrator asked for an act on your account."),
    Kind.INTERVENTION_APPROVED: _("A second administrator agreed to an act on your account."),
    Kind.INTERVENTION_DECLINED: _("An administrator declined an act on your account."),
    Kind.INTERVENTION_CANCELLED: _("An act on your account was cancelled."),
    Kind.INTERVENTION_LAPSED: _("An act on your account was not carried out."),
    Kind.INTERVENTION_REFUSED: _("Somebody was refused an act on your account."),
    Kind.PASSWORD_DEMANDED: _("An administrator demanded a new password of you."),
    Kind.NOTICE_DISOWNED: _("By the link in a mail it was said that this was not you, and everything was signed out."),
    Kind.ENROLMENT_LINK_SENT: _("A link to set up two-step verification was mailed to you."),
    Kind.ENROLMENT_LINK_USED: _("You opened the mailed link to set up two-step verification."),
    Kind.ENROLMENT_LINK_REFUSED: _("A mailed link to set up two-step verification was refused."),
    Kind.ACCESS_PASS_ISSUED: _("An access pass was issued for you."),
    Kind.ACCESS_PASS_SHOWN: _("An administrator was shown your access pass."),
    Kind.ACCESS_PASS_USED: _("You used an access pass."),
    Kind.ACCESS_PASS_REFUSED: _("A wrong access pass was entered."),
    Kind.ACCESS_PASS_REVOKED: _("An access pass of yours was revoked."),
    Kind.ACCESS_PASS_LAPSED: _("An access pass of yours ran out unused."),
    Kind.CALLER_CHECK_STARTED: _("An administrator began to check a call with you."),
    Kind.CALLER_CHECK_PASSED: _("You and an administrator recognised each other in a call."),
    Kind.CALLER_CHECK_FAILED: _("A wrong code was entered in a call with you."),
    Kind.DEADLINE_SET: _("You have until %(deadline)s to set up two-step verification."),
    Kind.DRILL_PASSED: _("You checked that it works: %(method)s."),
}
BY_OTHERS: Final[Mapping[Kind, Words]] = {
    Kind.SESSION_ENDED: _("An administrator ended a session of yours."),
    Kind.AUTHENTICATOR_REMOVED: _("An administrator removed a method of yours: %(method)s."),
    Kind.EMAIL_CHANGED: _("An administrator changed the mail address you sign in with."),
    Kind.EMAIL_ADDED: _("An administrator added a mail address to your account."),
    Kind.EMAIL_REMOVED: _("An administrator removed a mail address of your account."),
}
"""Where somebody else did it."""

_MORE_EXACTLY: Final[Mapping[tuple[str, str], Words]] = {
    (Kind.SIGN_IN_COMPLETED, "single_factor"): _("You signed in with one step."),
    (Kind.SIGN_IN_COMPLETED, "multi_factor"): _("You signed in with two steps."),
    (Kind.SIGN_IN_COMPLETED, "phishing_resistant"): _("You signed in with two steps, safe from phishing."),
    (Kind.SECOND_FACTOR_FAILED, "enrolment"): YOURS[Kind.AUTHENTICATOR_REFUSED],
    (Kind.SESSION_ENDED, "idle"): _("A session ended because nothing happened in it."),
    (Kind.SESSION_ENDED, "password_changed"): _("A session ended because your password was changed."),
    (Kind.BROWSER_TRUST_ENDED, "ended_by_owner"): _("You stopped trusting a browser."),
    (Kind.BROWSER_TRUST_ENDED, "security_changed"): _(
        "A browser is trusted no more, because your methods, your password or the rules changed."
    ),
}


def told(kind: str, payload: Mapping[str, Any], *, by_other: bool) -> str:
    """One sentence to the person, in the language of the moment and the zone of the page."""
    known = Kind(kind)
    details = [str(payload[name]) for name in ("purpose", "strength", "reason") if name in payload]
    exactly = next((_MORE_EXACTLY[kind, one] for one in details if (kind, one) in _MORE_EXACTLY), None)
    words = (BY_OTHERS.get(known) if by_other else None) or exactly or YOURS[known]
    values = {name: payload[name] for name in ("left",) if name in payload}
    values["method"] = METHOD_WORDS.get(str(payload.get("method", "")), _("another method"))
    values |= {name: _day(payload[name]) for name in ("until", "deadline") if name in payload}
    return str(words) % defaultdict(lambda: "—", values)


def _day(stored: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(stored))
    except ValueError:
        return "—"
    return date_format(timezone.localtime(moment), "DATE_FORMAT")
