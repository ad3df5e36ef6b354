"""What every kind of event looks like: its sentence, severity, category and payload fields."""

from collections.abc import Callable
from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.declarations import (
    DOCUMENT,
    FLAG,
    ID,
    MOMENT,
    NUMBER,
    PERSONAL_DOCUMENT,
    PERSONAL_TEXT,
    TEXT,
    WORDS,
    Catalogue,
    Category,
    Outcome,
    Severity,
)
from audit.kinds import Kind

CATALOGUE = Catalogue()
Declare = Callable[..., None]  # arguments of Catalogue.declare, without the category
_NOTICE, _WARNING, _ALARM = Severity.NOTICE, Severity.WARNING, Severity.ALARM
_REFUSED, _FAILED = Outcome.REFUSED, Outcome.FAILED

# Fields that several kinds share. `method` is a value of accounts.assurance.Method, `session` a public id.
_AUTHENTICATOR = {"authenticator": ID, "method": TEXT, "name": PERSONAL_TEXT, "session": ID}
_REFUSAL = {**_AUTHENTICATOR, "email": PERSONAL_TEXT, "reason": TEXT, "failures": NUMBER, "purpose": TEXT}
_PAUSE = {**_REFUSAL, "scope": TEXT, "until": MOMENT}
_PROOF = {
    **_AUTHENTICATOR,
    "strength": TEXT,
    "aal": NUMBER,
    "amr": WORDS,
    "methods": WORDS,
    "user_verified": FLAG,
    "purpose": TEXT,
}
_DECISION = {
    "decision": TEXT,
    "reasons": WORDS,
    "methods": WORDS,
    "policy_version": NUMBER,
    "strength": TEXT,
    "deadline": MOMENT,
    "view": TEXT,
    "session": ID,
}
_MINTED = {
    **_AUTHENTICATOR,
    "aaguid": ID,
    "attestation": TEXT,
    "attested": FLAG,
    "user_verified": FLAG,
    "passwordless": FLAG,
    "backed_up": FLAG,
    "first": FLAG,
    "replaces": ID,
}
_POLICY = {
    "policy": ID,
    "version": NUMBER,
    "previous_version": NUMBER,
    "number": NUMBER,
    "level": TEXT,
    "changes": DOCUMENT,
    "before": DOCUMENT,
    "after": DOCUMENT,
    "reason": PERSONAL_TEXT,
    "confirm_by": MOMENT,
}
_ENDING = {"session": ID, "reason": TEXT, "count": NUMBER}
_DIFFERENCE = {"fields": WORDS, "before": PERSONAL_DOCUMENT, "after": PERSONAL_DOCUMENT}

_people: Declare = partial(CATALOGUE.declare, Category.PEOPLE)
_people(Kind.PERSON_SIGNED_UP, _("%(target)s signed up."), email=PERSONAL_TEXT, method=TEXT)
_people(
    Kind.PERSON_ADDED,
    _("%(actor)s added %(target)s."),
    _NOTICE,
    email=PERSONAL_TEXT,
    role=TEXT,
    superuser=FLAG,
)
_people(
    Kind.PERSON_JOINED_TENANT,
    _("%(target)s joined the tenant of %(domain)s."),
    _NOTICE,
    domain=TEXT,
    previous_tenant=ID,
)
_people(
    Kind.PERSON_CHANGED,
    _("%(actor)s changed %(target)s."),
    _NOTICE,
    role=TEXT,
    previous_role=TEXT,
    active=FLAG,
    previous_tenant=ID,
    **_DIFFERENCE,
)
_people(Kind.PERSON_DELETED, _("%(actor)s deleted %(target)s."), _WARNING, reason=PERSONAL_TEXT)
_people(
    Kind.PERSON_EMAIL_VERIFIED,
    _("%(target)s proved to read mail to %(email)s."),
    email=PERSONAL_TEXT,
    first=FLAG,
)
_people(Kind.EMAIL_ADDED, _("%(target)s got the mail address %(email)s."), _NOTICE, email=PERSONAL_TEXT)
_people(
    Kind.EMAIL_CHANGED,
    _("The mail address of %(target)s changed from %(before)s to %(after)s."),
    _NOTICE,
    before=PERSONAL_TEXT,
    after=PERSONAL_TEXT,
)
_people(Kind.EMAIL_REMOVED, _("%(target)s lost the mail address %(email)s."), _NOTICE, email=PERSONAL_TEXT)
_people(Kind.INVITATION_SENT, _("%(actor)s invited %(target)s."), invitation=ID, email=PERSONAL_TEXT, until=MOMENT)
_people(Kind.INVITATION_ACCEPTED, _("%(target)s accepted an invitation."), invitation=ID)
_people(
    Kind.INVITATION_REFUSED,
    _("An invitation of %(target)s was refused: %(reason)s."),
    _WARNING,
    outcome=_REFUSED,
    invitation=ID,
    reason=TEXT,
)
_people(Kind.GROUPS_CHANGED, _("%(actor)s changed the groups of %(target)s."), _NOTICE, before=WORDS, after=WORDS)

_sign_in: Declare = partial(CATALOGUE.declare, Category.SIGN_IN)
_sign_in_refused: Declare = partial(_sign_in, severity=_WARNING, outcome=_REFUSED)
_sign_in(Kind.SIGN_IN_FIRST_FACTOR_ACCEPTED, _("%(target)s passed the first step by %(method)s."), **_PROOF)
_sign_in_refused(Kind.SIGN_IN_FAILED, _("Signing in as %(target)s failed."), **_REFUSAL)
_sign_in_refused(Kind.SIGN_IN_REFUSED, _("%(target)s was not let in: %(reason)s."), **_REFUSAL)
_sign_in_refused(Kind.SIGN_IN_THROTTLED, _("Signing in as %(target)s is paused until %(until)s."), **_PAUSE)
_sign_in_refused(Kind.SIGN_IN_PASSKEY_REFUSED, _("A passkey of %(target)s was refused: %(reason)s."), **_REFUSAL)
_sign_in(Kind.SIGN_IN_CANCELLED, _("%(target)s cancelled signing in."), **_ENDING)
_sign_in(
    Kind.SIGN_IN_COMPLETED,
    _("%(target)s signed in (%(strength)s: %(methods)s)."),
    decision=TEXT,
    reasons=WORDS,
    policy_version=NUMBER,
    deadline=MOMENT,
    passwordless=FLAG,
    first=FLAG,
    **_PROOF,
)
_sign_in(Kind.SECOND_FACTOR_DEMANDED, _("%(target)s was asked for a second factor."), **_DECISION)
_sign_in(Kind.SECOND_FACTOR_ACCEPTED, _("%(target)s passed the second step by %(method)s."), **_PROOF)
_sign_in_refused(Kind.SECOND_FACTOR_FAILED, _("A second factor of %(target)s was refused: %(reason)s."), **_REFUSAL)
_sign_in_refused(Kind.SECOND_FACTOR_THROTTLED, _("A second factor of %(target)s is paused."), **_PAUSE)
_sign_in(Kind.REAUTHENTICATION_ACCEPTED, _("%(target)s confirmed their identity by %(method)s."), **_PROOF)
_sign_in_refused(Kind.REAUTHENTICATION_FAILED, _("%(target)s did not confirm their identity: %(reason)s."), **_REFUSAL)
_sign_in_refused(Kind.REAUTHENTICATION_THROTTLED, _("Confirming the identity of %(target)s is paused."), **_PAUSE)
_sign_in(Kind.SESSION_ENDED, _("A session of %(target)s was ended: %(reason)s."), **_ENDING)
_sign_in(Kind.SIGNED_OUT, _("%(target)s signed out."), **_ENDING)
_sign_in(Kind.PASSWORD_CHANGED, _("The password of %(target)s was changed."), _NOTICE, first=FLAG)

_authenticators: Declare = partial(CATALOGUE.declare, Category.AUTHENTICATORS)
_authenticators_refused: Declare = partial(_authenticators, severity=_WARNING, outcome=_REFUSED)
_authenticators(Kind.AUTHENTICATOR_ADDED, _("%(target)s added an authenticator (%(method)s)."), _NOTICE, **_MINTED)
_authenticators_refused(
    Kind.AUTHENTICATOR_REFUSED, _("An authenticator for %(target)s was not added: %(reason)s."), **_REFUSAL
)
_authenticators(
    Kind.AUTHENTICATOR_ADOPTED,
    _("An authenticator of %(target)s (%(method)s) moved in from an older system."),
    _NOTICE,
    **_MINTED,
)
_authenticators(
    Kind.AUTHENTICATOR_RENAMED,
    _("%(target)s renamed an authenticator to %(after)s."),
    authenticator=ID,
    method=TEXT,
    before=PERSONAL_TEXT,
    after=PERSONAL_TEXT,
)
_authenticators(
    Kind.AUTHENTICATOR_REPLACED, _("%(target)s replaced an authenticator (%(method)s)."), _NOTICE, **_MINTED
)
_authenticators(
    Kind.AUTHENTICATOR_REMOVED,
    _("%(actor)s removed an authenticator (%(method)s) of %(target)s."),
    _NOTICE,
    reason=TEXT,
    left=NUMBER,
    **_AUTHENTICATOR,
)
_authenticators(
    Kind.AUTHENTICATOR_REMOVAL_REFUSED,
    _("An authenticator of %(target)s was not removed: %(reason)s."),
    outcome=_REFUSED,
    **_REFUSAL,
)
_authenticators(
    Kind.AUTHENTICATOR_LOCKED,
    _("An authenticator of %(target)s (%(method)s) was locked after %(failures)s failures."),
    _ALARM,
    outcome=_REFUSED,
    **_REFUSAL,
)
_authenticators(
    Kind.AUTHENTICATOR_UNLOCKED,
    _("%(actor)s unlocked an authenticator (%(method)s) of %(target)s."),
    _NOTICE,
    explanation=PERSONAL_TEXT,
    **_AUTHENTICATOR,
)
_authenticators(
    Kind.AUTHENTICATOR_CLONED_SUSPECTED,
    _("A key of %(target)s counted backwards: it may have been copied."),
    _ALARM,
    outcome=_REFUSED,
    stored=NUMBER,
    received=NUMBER,
    **_REFUSAL,
)
_authenticators(
    Kind.AUTHENTICATOR_UNREADABLE,
    _("The secret of an authenticator of %(target)s could not be opened: %(reason)s."),
    _ALARM,
    outcome=_FAILED,
    key=TEXT,
    **_REFUSAL,
)
_authenticators(
    Kind.ENROLMENT_STATE_REPAIRED,
    _("The counters of what %(target)s owns were wrong and were put right."),
    _WARNING,
    before=DOCUMENT,
    after=DOCUMENT,
)
_authenticators(
    Kind.TWO_STEP_TURNED_OFF,
    _("%(target)s turned two-step verification off."),
    _WARNING,
    removed=NUMBER,
    session=ID,
)

_recovery: Declare = partial(CATALOGUE.declare, Category.RECOVERY)
_recovery_refused: Declare = partial(_recovery, severity=_WARNING, outcome=_REFUSED)
_recovery(
    Kind.PASSWORD_RESET_REQUESTED,
    _("A new password for %(target)s was asked for."),
    email=PERSONAL_TEXT,
    reason=TEXT,
)
_recovery(Kind.PASSWORD_RESET, _("%(target)s set a new password by a mailed link."), _NOTICE, sessions=NUMBER)
_recovery_refused(
    Kind.PASSWORD_RESET_REFUSED,
    _("A link for a new password was refused: %(reason)s."),
    email=PERSONAL_TEXT,
    reason=TEXT,
)
_recovery(
    Kind.RECOVERY_CODES_MADE,
    _("%(target)s made %(count)s recovery codes."),
    _NOTICE,
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
    _NOTICE,
    authenticator=ID,
    left=NUMBER,
    session=ID,
    purpose=TEXT,
)
_recovery(
    Kind.MFA_RESET,
    _("%(actor)s reset the authenticators of %(target)s."),
    _WARNING,
    reason=PERSONAL_TEXT,
    verified_how=PERSONAL_TEXT,
    removed=NUMBER,
    sessions=NUMBER,
    methods=WORDS,
)
_recovery_refused(Kind.MFA_RESET_REFUSED, _("%(actor)s could not reset the authenticators of %(target)s."), reason=TEXT)

_enforcement: Declare = partial(CATALOGUE.declare, Category.ENFORCEMENT)
_enforcement(
    Kind.ENFORCEMENT_STOPPED,
    _("%(target)s was stopped: %(decision)s (%(reasons)s)."),
    outcome=_REFUSED,
    **_DECISION,
)
_enforcement(Kind.ENFORCEMENT_GRACE_ALLOWED, _("%(target)s was let through in grace until %(deadline)s."), **_DECISION)
_enforcement(
    Kind.ENFORCEMENT_WOULD_STOP,
    _("Version %(policy_version)s, on trial, would have stopped %(target)s: %(decision)s (%(reasons)s)."),
    **_DECISION,
)
_enforcement(
    Kind.BREAK_GLASS_USED,
    _("%(target)s, an account for emergencies, was used to sign in: %(decision)s (%(reasons)s)."),
    _ALARM,
    **_DECISION,
)
_enforcement(
    Kind.DEADLINE_SET,
    _("%(target)s has until %(deadline)s to enrol."),
    _NOTICE,
    deadline=MOMENT,
    previous=MOMENT,
    reason=PERSONAL_TEXT,
    policy_version=NUMBER,
)
_enforcement(
    Kind.DEADLINE_REFUSED, _("%(actor)s could not give %(target)s more time: %(code)s."), outcome=_REFUSED, code=TEXT
)
_enforcement(
    Kind.DEADLINE_SNOOZED,
    _("%(target)s put the reminder off until %(until)s; %(left)s more times are left."),
    until=MOMENT,
    left=NUMBER,
)
_enforcement(Kind.REMINDER_ASKED_FOR, _("%(actor)s asked for a reminder of %(target)s."))
_enforcement(
    Kind.REMINDER_REFUSED, _("%(actor)s could not have %(target)s reminded: %(code)s."), outcome=_REFUSED, code=TEXT
)
_enforcement(
    Kind.REMINDER_SENT, _("%(target)s was reminded of the deadline by mail."), attempts=NUMBER, trouble=PERSONAL_TEXT
)
_enforcement(
    Kind.REMINDER_UNSURE,
    _("A reminder of %(target)s was handed over, and the mail server did not answer: %(trouble)s."),
    _NOTICE,
    attempts=NUMBER,
    trouble=PERSONAL_TEXT,
)
_enforcement(
    Kind.REMINDER_FAILED,
    _("A reminder of %(target)s was given up: %(trouble)s."),
    _WARNING,
    outcome=_FAILED,
    attempts=NUMBER,
    trouble=PERSONAL_TEXT,
)
_enforcement(
    Kind.CAMPAIGN_STARTED,
    _("%(actor)s started a campaign of reminders in %(target)s."),
    _NOTICE,
    campaign=ID,
    days=WORDS,
)
_enforcement(Kind.CAMPAIGN_STOPPED, _("%(actor)s stopped a campaign of reminders in %(target)s."), _NOTICE, campaign=ID)

_policy: Declare = partial(CATALOGUE.declare, Category.POLICY)
_policy(Kind.POLICY_CREATED, _("%(actor)s created the policy of %(target)s."), _NOTICE, **_POLICY)
_policy(
    Kind.POLICY_PUBLISHED,
    _("%(actor)s published version %(version)s of the policy of %(target)s."),
    _WARNING,
    **_POLICY,
)
_policy(
    Kind.POLICY_PUBLISH_REFUSED,
    _("%(actor)s could not publish the policy of %(target)s: %(code)s."),
    outcome=_REFUSED,
    code=TEXT,
    **_POLICY,
)
_policy(Kind.POLICY_SWITCHED_OFF, _("%(actor)s switched enforcement off for %(target)s."), _ALARM, **_POLICY)
_policy(Kind.POLICY_SWITCHED_ON, _("%(actor)s switched enforcement on for %(target)s."), _NOTICE, **_POLICY)
_policy(Kind.POLICY_CONFIRMED, _("%(actor)s confirmed version %(version)s for %(target)s."), _NOTICE, **_POLICY)
_policy(
    Kind.POLICY_REVERTED,
    _("Version %(previous_version)s of %(target)s was not confirmed; version %(version)s is in force again."),
    _WARNING,
    since=MOMENT,
    **_POLICY,
)
_policy(
    Kind.POLICY_REPORT_STARTED,
    _("%(actor)s put version %(version)s of %(target)s on trial: it reports, and stops nobody."),
    _NOTICE,
    **_POLICY,
)
_policy(Kind.POLICY_REPORT_STOPPED, _("%(actor)s ended the trial of version %(version)s of %(target)s."), **_POLICY)
_policy(Kind.POLICY_DRAFT_SAVED, _("%(actor)s changed the draft of %(target)s."), revision=NUMBER, **_POLICY)
_policy(Kind.POLICY_DRAFT_DISCARDED, _("%(actor)s discarded the draft of %(target)s."), revision=NUMBER, **_POLICY)
_policy(
    Kind.POLICY_EXCLUSION_ENDING,
    _("An exclude of the policy of %(target)s ends: %(excluded)s."),
    _NOTICE,
    excluded=PERSONAL_TEXT,
    until=MOMENT,
    **_POLICY,
)

_tenants: Declare = partial(CATALOGUE.declare, Category.TENANTS)
_tenants(Kind.TENANT_CREATED, _("%(actor)s created the tenant %(target)s."), _NOTICE, slug=TEXT)
_tenants(
    Kind.TENANT_CHANGED,
    _("%(actor)s changed the tenant %(target)s."),
    _NOTICE,
    fields=WORDS,
    before=DOCUMENT,
    after=DOCUMENT,
)
_tenants(Kind.TENANT_DEACTIVATED, _("%(actor)s deactivated the tenant %(target)s."), _WARNING, reason=PERSONAL_TEXT)
_tenants(Kind.TENANT_ACTIVATED, _("%(actor)s activated the tenant %(target)s."), _NOTICE, reason=PERSONAL_TEXT)
_tenants(Kind.DOMAIN_ADDED, _("%(actor)s gave the domain %(domain)s to %(target)s."), _NOTICE, domain=TEXT)
_tenants(Kind.DOMAIN_REMOVED, _("%(actor)s took the domain %(domain)s from %(target)s."), _NOTICE, domain=TEXT)

_administration: Declare = partial(CATALOGUE.declare, Category.ADMINISTRATION)
_administration(Kind.ADMIN_VIEWED_SENSITIVE, _("%(actor)s looked at %(page)s of %(target)s."), page=TEXT)
_administration(
    Kind.ADMIN_REFUSED,
    _("%(actor)s was refused %(page)s: %(reason)s."),
    _WARNING,
    outcome=_REFUSED,
    page=TEXT,
    reason=TEXT,
)

_keys: Declare = partial(CATALOGUE.declare, Category.KEYS)
_keys(Kind.KEY_CANARY_MADE, _("A canary was stored under the encryption key %(key)s."), key=TEXT)
_keys(
    Kind.KEY_CANARY_FAILED,
    _("The stored canary did not open under the encryption keys: %(reason)s."),
    _ALARM,
    outcome=_FAILED,
    key=TEXT,
    reason=TEXT,
)
