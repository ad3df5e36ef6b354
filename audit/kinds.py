"""Everything the site records, as `subject:action` in the past tense; `audit.catalogue` declares each kind.

Values never change: years of rows hold them. The target of an event is the person (or tenant) it happened to;
an authenticator or a session is named in the payload, so that a person's events are found by their target.
"""

from enum import StrEnum, unique


@unique
class Kind(StrEnum):
    """Every kind of event."""

    PERSON_SIGNED_UP = "person:signed_up"
    PERSON_ADDED = "person:added"
    PERSON_JOINED_TENANT = "person:joined_tenant"
    PERSON_CHANGED = "person:changed"
    PERSON_DELETED = "person:deleted"
    PERSON_EMAIL_VERIFIED = "person:email_verified"
    EMAIL_ADDED = "email:added"
    EMAIL_CHANGED = "email:changed"
    EMAIL_REMOVED = "email:removed"
    INVITATION_SENT = "invitation:sent"
    INVITATION_ACCEPTED = "invitation:accepted"
    INVITATION_REFUSED = "invitation:refused"
    NOTICE_FAILED = "notice:failed"
    GROUPS_CHANGED = "groups:changed"

    SIGN_IN_FIRST_FACTOR_ACCEPTED = "sign_in:first_factor_accepted"
    SIGN_IN_FAILED = "sign_in:failed"
    SIGN_IN_REFUSED = "sign_in:refused"
    SIGN_IN_THROTTLED = "sign_in:throttled"
    SIGN_IN_PASSKEY_REFUSED = "sign_in:passkey_refused"
    SIGN_IN_CANCELLED = "sign_in:cancelled"
    SIGN_IN_COMPLETED = "sign_in:completed"
    SECOND_FACTOR_DEMANDED = "second_factor:demanded"
    SECOND_FACTOR_ACCEPTED = "second_factor:accepted"
    SECOND_FACTOR_FAILED = "second_factor:failed"
    SECOND_FACTOR_THROTTLED = "second_factor:throttled"
    REAUTHENTICATION_ACCEPTED = "reauthentication:accepted"
    REAUTHENTICATION_FAILED = "reauthentication:failed"
    REAUTHENTICATION_THROTTLED = "reauthentication:throttled"
    SESSION_ENDED = "session:ended"
    SIGNED_OUT = "session:signed_out"
    PASSWORD_CHANGED = "password:changed"  # noqa: S105  # nosec B105
    PASSWORD_RESET_REQUESTED = "password:reset_requested"  # noqa: S105  # nosec B105
    PASSWORD_RESET = "password:reset"  # noqa: S105  # nosec B105
    PASSWORD_RESET_REFUSED = "password:reset_refused"  # noqa: S105  # nosec B105

    AUTHENTICATOR_ADDED = "authenticator:added"
    AUTHENTICATOR_REFUSED = "authenticator:refused"
    AUTHENTICATOR_ADOPTED = "authenticator:adopted"
    AUTHENTICATOR_RENAMED = "authenticator:renamed"
    AUTHENTICATOR_REPLACED = "authenticator:replaced"
    AUTHENTICATOR_REMOVED = "authenticator:removed"
    AUTHENTICATOR_REMOVAL_REFUSED = "authenticator:removal_refused"
    AUTHENTICATOR_LOCKED = "authenticator:locked"
    AUTHENTICATOR_UNLOCKED = "authenticator:unlocked"
    AUTHENTICATOR_CLONED_SUSPECTED = "authenticator:cloned_suspected"
    AUTHENTICATOR_UNREADABLE = "authenticator:unreadable"
    ENROLMENT_STATE_REPAIRED = "enrolment_state:repaired"
    TWO_STEP_TURNED_OFF = "two_step:turned_off"
    RECOVERY_CODES_MADE = "recovery_codes:made"
    RECOVERY_CODES_VIEWED = "recovery_codes:viewed"
    RECOVERY_CODES_DOWNLOADED = "recovery_codes:downloaded"
    RECOVERY_CODES_SAVED = "recovery_codes:saved"
    RECOVERY_CODES_USED = "recovery_codes:used"
    MFA_RESET = "mfa:reset"
    MFA_RESET_REFUSED = "mfa:reset_refused"
    NOTICE_DISOWNED = "notice:disowned"
    ENROLMENT_LINK_SENT = "enrolment_link:sent"
    ENROLMENT_LINK_USED = "enrolment_link:used"
    ENROLMENT_LINK_REFUSED = "enrolment_link:refused"
    ACCESS_PASS_ISSUED = "access_pass:issued"  # noqa: S105  # nosec B105
    ACCESS_PASS_SHOWN = "access_pass:shown"  # noqa: S105  # nosec B105
    ACCESS_PASS_USED = "access_pass:used"  # noqa: S105  # nosec B105
    ACCESS_PASS_REFUSED = "access_pass:refused"  # noqa: S105  # nosec B105
    ACCESS_PASS_REVOKED = "access_pass:revoked"  # noqa: S105  # nosec B105
    ACCESS_PASS_LAPSED = "access_pass:lapsed"  # noqa: S105  # nosec B105
    CALLER_CHECK_STARTED = "caller_check:started"
    CALLER_CHECK_PASSED = "caller_check:passed"
    CALLER_CHECK_FAILED = "caller_check:failed"

    ENFORCEMENT_STOPPED = "enforcement:stopped"
    ENFORCEMENT_GRACE_ALLOWED = "enforcement:grace_allowed"
    ENFORCEMENT_WOULD_STOP = "enforcement:would_stop"
    BREAK_GLASS_USED = "break_glass:used"
    DEADLINE_SET = "deadline:set"
    DEADLINE_REFUSED = "deadline:refused"
    DEADLINE_SNOOZED = "deadline:snoozed"
    REMINDER_ASKED_FOR = "reminder:asked_for"
    REMINDER_REFUSED = "reminder:refused"
    REMINDER_SENT = "reminder:sent"
    REMINDER_UNSURE = "reminder:unsure"
    REMINDER_FAILED = "reminder:failed"
    REMINDER_ROUND_STARTED = "reminder_round:started"
    REMINDER_ROUND_STOPPED = "reminder_round:stopped"
    CAMPAIGN_STARTED = "campaign:started"
    CAMPAIGN_STOPPED = "campaign:stopped"
    POLICY_CREATED = "policy:created"
    POLICY_PUBLISHED = "policy:published"
    POLICY_PUBLISH_REFUSED = "policy:publish_refused"
    POLICY_SWITCHED_OFF = "policy:switched_off"
    POLICY_SWITCHED_ON = "policy:switched_on"
    POLICY_CONFIRMED = "policy:confirmed"
    POLICY_REVERTED = "policy:reverted"
    POLICY_REPORT_STARTED = "policy:report_started"
    POLICY_REPORT_STOPPED = "policy:report_stopped"
    POLICY_DRAFT_SAVED = "policy:draft_saved"
    POLICY_DRAFT_DISCARDED = "policy:draft_discarded"
    POLICY_EXCLUSION_ENDING = "policy:exclusion_ending"

    TENANT_CREATED = "tenant:created"
    TENANT_CHANGED = "tenant:changed"
    TENANT_DEACTIVATED = "tenant:deactivated"
    TENANT_ACTIVATED = "tenant:activated"
    DOMAIN_ADDED = "domain:added"
    DOMAIN_REMOVED = "domain:removed"
    ADMIN_VIEWED_SENSITIVE = "admin:viewed_sensitive"
    ADMIN_REFUSED = "admin:refused"
    EXPORT_BEGUN = "export:begun"
    EXPORT_STOPPED = "export:stopped"
    KEY_CANARY_MADE = "key:canary_made"
    KEY_CANARY_FAILED = "key:canary_failed"
