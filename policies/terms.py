"""The words the engine is spoken to in: a tenant's rules, a person's facts, and the decision that comes back.

Frozen dataclasses and codes; nothing here judges. Standard library and `accounts.assurance` only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from accounts.assurance import SECOND_FACTORS, Method, Proof, Strength

ADMINISTRATOR: Final = "administrator"
LOCAL: Final = "password"
"""The source of people who sign in here, by password or by passkey; others are named `sso:<provider>`."""


class Enforcement(StrEnum):
    """How much a policy demands. Under `ALWAYS` no exception (a trusted browser) stands in for the factor."""

    OPTIONAL = "optional"
    REQUIRED = "required"
    ALWAYS = "always"


class UserVerification(StrEnum):
    """Whether a key has to ask who is there (WebAuthn L3 §5.8.6). Only `REQUIRED` refuses a key that did not."""

    DISCOURAGED = "discouraged"
    PREFERRED = "preferred"
    REQUIRED = "required"


class Outcome(StrEnum):
    ALLOW = "allow"
    ALLOW_IN_GRACE = "allow_in_grace"
    STEP_UP = "step_up"
    ENROL = "enrol"
    DENY = "deny"


class Reason(StrEnum):
    """Why: codes that are stored, and worded elsewhere. Their values never change."""

    PERSON_INACTIVE = "person_inactive"
    TENANT_INACTIVE = "tenant_inactive"
    NO_POLICY = "no_policy"
    NO_EVIDENCE = "no_evidence"  # no proof by anything still bound to the person
    SECOND_FACTOR_OWED = "second_factor_owed"
    SECOND_FACTOR_EXPIRED = "second_factor_expired"
    PROOF_NOT_ALLOWED = "proof_not_allowed"  # proved, by what the policy does not accept
    PROOF_TOO_WEAK = "proof_too_weak"
    NOTHING_USABLE = "nothing_usable"  # all that would do is locked or unreadable: help is the way out
    SECOND_FACTOR_PROVED = "second_factor_proved"
    NOTHING_ENROLLED = "nothing_enrolled"
    ADMITTED_TO_ENROL = "admitted_to_enrol"  # by an access pass, which is good for nothing else
    TRUSTED_BROWSER = "trusted_browser"  # the policy's exception: the session stays single-factor
    POLICY_OFF = "policy_off"
    POLICY_OPTIONAL = "policy_optional"
    OUT_OF_SCOPE = "out_of_scope"
    EXCLUDED = "excluded"  # by name, for a time
    DEMAND_MET = "demand_met"
    BREAK_GLASS = "break_glass"  # an account for emergencies: a key, and no other rule
    FACTOR_REQUIRED = "factor_required"
    TOO_FEW_FACTORS = "too_few_factors"
    ENROLLED_TOO_WEAK = "enrolled_too_weak"
    ENROLLED_NOT_ALLOWED = "enrolled_not_allowed"
    ENROLLED_UNUSABLE = "enrolled_unusable"
    ONLY_RECOVERY_CODES = "only_recovery_codes"
    GRACE_OPEN = "grace_open"
    GRACE_OVER = "grace_over"
    GRACE_CLOSED = "grace_closed"  # by a reset, for good
    GRACE_NEEDS_BEST = "grace_needs_best"  # open, but never on less than the best the person owns
    NO_GRACE = "no_grace"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a policy's demand is for: everyone, or whoever any of these names. Others may, and need not."""

    everyone: bool = True
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    staff: bool = False
    sources: frozenset[str] = frozenset()


class Excluded(StrEnum):
    """What an exclude may name."""

    PERSON = "person"
    GROUP = "group"
    ROLE = "role"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Exclude:
    """People from whom nothing is demanded until `until` (aware). Never an administrator."""

    kind: Excluded
    value: str
    until: datetime


@dataclass(frozen=True, slots=True)
class KeyRules:
    """What is asked of keys and passkeys, at enrolment and again at every use.

    `allowed` empty: every product but the `denied` ones. `attested`: only keys whose maker vouched for them.
    `synced`: passkeys that leave their device will do.
    """

    user_verification: UserVerification = UserVerification.PREFERRED
    attested: bool = False
    allowed: frozenset[UUID] = frozenset()
    denied: frozenset[UUID] = frozenset()
    synced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A tenant's policy, as `policies.document.rules_from` reads it.

    `enabled` is apart from the level, so that off and on again restores it. `allowed` is in order of
    preference. `strength` holds the roles that need another one than `MULTI_FACTOR`. `enforced_since` anchors
    grace; `extensions` says whether more of it may be given. `in_force_until`: a version that waits for its
    confirmation goes out of force then. `passkey_login`, `snoozes` and `contact` are for pages: the engine judges by
    none of them.
    """

    version: int
    enabled: bool = True
    enforcement: Enforcement = Enforcement.REQUIRED
    scope: Scope = Scope()
    excludes: tuple[Exclude, ...] = ()
    allowed: tuple[Method, ...] = (Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE)
    strength: Mapping[str, Strength] = field(default_factory=dict)
    minimum_factors: int = 1
    grace_days: int = 0
    new_grace_days: int = 0
    administrators_grace_days: int = 0
    extensions: bool = True
    snoozes: int = 0
    enforced_since: datetime | None = None
    trusted_browser_days: int = 0
    trusted_browser_never: frozenset[str] = frozenset()
    keys: KeyRules = KeyRules()
    second_factor_lifetime: timedelta = timedelta(hours=12)
    fresh_for: timedelta = timedelta(minutes=5)
    idle: timedelta = timedelta(minutes=30)
    administrators_idle: timedelta = timedelta(minutes=15)
    passkey_login: bool = False
    break_glass: frozenset[UUID] = frozenset()
    contact: str = ""
    in_force_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One authenticator a person owns; `method` is a second factor (ValueError otherwise).

    `usable` is False for what is locked or cannot be decrypted and for recovery codes that are used up: it
    stays listed, for owning it still closes the door to enrolment by password alone. `user_verified`, `aaguid`,
    `synced` and `attested` are said of keys: as they were at enrolment, or, of the first, since the key first asked
    who is there beside another factor.
    """

    method: Method
    binding: UUID
    bound_at: datetime
    user_verified: bool = False
    usable: bool = True
    aaguid: UUID | None = None
    synced: bool = False
    attested: bool = False

    def __post_init__(self) -> None:
        if self.method not in SECOND_FACTORS:
            raise ValueError(f"{self.method} is not something one enrols.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A person and this session of theirs. All times are aware.

    `known_since`: when the address was first known here; None: not known, so no grace. `first_sign_in_at`: the
    first ever under that address. `grace_closed_at`: set by a reset. `grace_cap`: the deadline they had before
    they moved or were made anew, which no other may exceed. `extended_to`: what an administrator gave them.
    `proofs`: this session's own; those by an authenticator no longer `enrolled` prove nothing. `signed_in_at`:
    when this session's first factor was proved; None: take its earliest proof. `trusted_since`: when this
    browser came to be trusted, which nothing enrolled later survives; None: it is not.
    """

    role: str
    is_staff: bool
    is_active: bool
    tenant_is_active: bool
    person: UUID | None = None
    groups: frozenset[str] = frozenset()
    source: str = LOCAL
    known_since: datetime | None = None
    first_sign_in_at: datetime | None = None
    grace_closed_at: datetime | None = None
    grace_cap: datetime | None = None
    extended_to: datetime | None = None
    enrolled: tuple[Enrolled, ...] = ()
    proofs: tuple[Proof, ...] = ()
    signed_in_at: datetime | None = None
    trusted_since: datetime | None = None

    @property
    def roles(self) -> frozenset[str]:
        """The person's role; staff are administrators too, so that nobody is one by the back door."""
        return frozenset({self.role, ADMINISTRATOR} if self.is_staff else {self.role})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The receipt of a judgement: what was decided, why, on what, and by which version.

    `reasons` in the order in which they applied. `deadline`: the end of grace, where it matters. `satisfied_by`:
    the methods that would end a stop or the grace, the preferred one first; none: only help is left.
    `valid_until`: time alone does not change the outcome before; None: it never does. `facts` are the inputs;
    there is no secret among them.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    facts: Facts
    at: datetime
    deadline: datetime | None = None
    satisfied_by: tuple[Method, ...] = ()
    policy_version: int | None = None
    valid_until: datetime | None = None

    @property
    def is_allowed(self) -> bool:
        return self.outcome in (Outcome.ALLOW, Outcome.ALLOW_IN_GRACE)
