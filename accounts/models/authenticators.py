"""What allauth's `Authenticator` cannot hold: how a factor is bound, counted, paused, locked and unbound."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    """The kinds of authenticator people can own; values as in a tenant's policy."""

    WEBAUTHN = "webauthn", _("Security key or passkey")
    TOTP = "totp", _("Authenticator app")
    RECOVERY_CODE = "recovery_code", _("Recovery codes")


class Binding(models.Model):
    """One authenticator bound to one person, kept after it is unbound (NIST SP 800-63B-4 §4.1).

    Companion of an allauth `Authenticator`, which is gone once `unbound_at` is set. `last_counter` is the
    highest TOTP step accepted or the last WebAuthn signature counter; it only ever grows. `failures` counts
    consecutive wrong codes, across addresses, sessions and processes. `checked_at`: when the owner last made sure that
    it still works, without using it.
    """

    Kind = Kind

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    authenticator = models.OneToOneField(
        "mfa.Authenticator",
        on_delete=models.SET_NULL,
        null=True,
        related_name="binding",
        verbose_name=_("authenticator"),
    )
    person = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="bindings", verbose_name=_("person")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    name = models.CharField(_("name"), max_length=100, blank=True)
    sealed_under = models.CharField(max_length=8, blank=True, editable=False)
    last_counter = models.BigIntegerField(null=True, editable=False)
    failures = models.PositiveIntegerField(_("consecutive failures"), default=0)
    paused_until = models.DateTimeField(_("paused until"), null=True)
    locked_at = models.DateTimeField(_("locked"), null=True)
    bound_at = models.DateTimeField(_("added"), default=timezone.now)
    bound_ip = models.GenericIPAddressField(null=True)
    bound_by = models.UUIDField(null=True)
    unbound_at = models.DateTimeField(_("removed"), null=True)
    unbound_ip = models.GenericIPAddressField(null=True)
    unbound_by = models.UUIDField(null=True)
    unbound_reason = models.CharField(max_length=40, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True)
    checked_at = models.DateTimeField(_("last checked"), null=True)

    class Meta:
        verbose_name = _("authenticator")
        verbose_name_plural = _("authenticators")
        ordering = ["bound_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "kind"],
                condition=models.Q(unbound_at=None, kind__in=["totp", "recovery_code"]),
                name="one_app_and_one_code_set",
            )
        ]
        indexes = [models.Index(fields=["sealed_under"], name="binding_by_key")]

    def __str__(self) -> str:
        return self.name or str(self.get_kind_display())

    @property
    def tenant_id(self) -> uuid.UUID:
        return self.person.tenant_id


class WebAuthnCredential(models.Model):
    """The validated part of a registration, and nothing else of what the browser sent (WebAuthn L3 §7.1 step 27).

    `attestation` is the format of the statement it came with; `attested`, whether its maker vouched for it, up to a
    root that this site trusts.
    """

    binding = models.OneToOneField(Binding, on_delete=models.CASCADE, primary_key=True, related_name="credential")
    credential_id = models.BinaryField(max_length=1023, unique=True)
    public_key = models.BinaryField(max_length=2048)  # COSE_Key, CBOR
    algorithm = models.IntegerField()  # COSE algorithm identifier
    aaguid = models.UUIDField()
    transports = models.JSONField(default=list)
    user_verified = models.BooleanField()
    passwordless = models.BooleanField(default=False)
    backup_eligible = models.BooleanField()
    backed_up = models.BooleanField()
    attestation = models.CharField(max_length=20, default="none")
    attested = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.binding)


class RecoveryCode(models.Model):
    """One code of a person's set, as the digest of ≥ 112 random bits; spent by one conditional UPDATE.

    `weak`: it came from another site with fewer bits, and its digest is that of a slow, salted hash.
    """

    binding = models.ForeignKey(Binding, on_delete=models.CASCADE, related_name="codes")
    digest = models.CharField(max_length=64, unique=True)
    weak = models.BooleanField(default=False)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


class PendingEnrolment(models.Model):
    """A TOTP secret that was shown but not yet confirmed: sealed, bound to one session, short-lived."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="pending_enrolments")
    session_id = models.UUIDField()
    sealed = models.TextField()
    sealed_under = models.CharField(max_length=8)
    failures = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "session_id"], name="one_pending_enrolment_per_session")
        ]
        indexes = [models.Index(fields=["sealed_under"], name="pending_by_key")]

    def __str__(self) -> str:
        return f"pending enrolment {self.pk}"


class Ceremony(models.Model):
    """One WebAuthn challenge and what it is good for; consumed before the answer is verified."""

    class Purpose(models.TextChoices):
        ENROL = "enrol"
        SECOND_FACTOR = "second_factor"
        PASSKEY = "passkey"
        REAUTHENTICATE = "reauthenticate"
        DRILL = "drill"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    challenge = models.BinaryField(max_length=64, unique=True)
    purpose = models.CharField(max_length=20, choices=Purpose)
    person = models.ForeignKey("accounts.User", on_delete=models.CASCADE, null=True)
    session_id = models.UUIDField(null=True)
    tenant_id = models.UUIDField(null=True)
    user_verification = models.CharField(max_length=12)
    passwordless = models.BooleanField(default=False)
    expires_at = models.DateTimeField(db_index=True)
    consumed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.purpose} ceremony {self.pk}"
