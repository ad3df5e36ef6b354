"""People, their roles, and how they are made."""

import hashlib
import secrets
import unicodedata
import uuid
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.tenants import Tenant


def normalise_address(email: str) -> str:
    """One spelling per mail address: NFC, lower case, no surrounding space."""
    return unicodedata.normalize("NFC", email).strip().lower()


def new_webauthn_handle() -> bytes:
    """64 random bytes: the WebAuthn user handle says nothing about the person (WebAuthn L3 §14.6.1)."""
    return secrets.token_bytes(64)


class Role(models.TextChoices):
    """What a person may do on the site; an administrator manages their own tenant."""

    USER = "user", _("User")
    ADMINISTRATOR = "administrator", _("Administrator")


class UserManager(BaseUserManager["User"]):
    """Makes people; addresses are normalised on the way in and on the way to a look-up."""

    use_in_migrations = False

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalise_address(username or ""))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Save a person, in the default tenant unless one is given. Raises ValueError without an address."""
        if not email:
            raise ValueError("A person needs a mail address.")
        if not fields.keys() & {"tenant", "tenant_id"}:
            fields["tenant"] = Tenant.objects.get(is_default=True)
        person = self.model(email=normalise_address(email), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A platform administrator: member of the default tenant, address taken as verified.

        Goes through the flow, for what the address left behind. Raises ValueError without an address, and NotAllowed
        for another tenant.
        """
        from accounts.flows import people  # flows are made of models

        if not email:
            raise ValueError("A person needs a mail address.")
        fields = {"tenant": Tenant.objects.get(is_default=True)} | fields
        person = self.model(email=email, is_superuser=True, role=Role.ADMINISTRATOR, **fields)
        return people.create(person, password=password, verified=True)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in with a mail address.

    `security_version` goes up whenever authenticators, role, groups, tenant, password or trust change, and
    voids every grant. No attribute here knows what is demanded of the person: ask `policies.facts`.
    `mfa_enrolled_at`, `factors` (`Factors` in `accounts.enrolment_state`) and `codes_left` (unused recovery codes;
    None without a set) are counters for lists and statistics. `accounts.enrolment_state` alone writes them, and
    nobody is let in by them. `enrolment_guarded_at`: since when a password alone may not enrol, because an
    administrator took the last factor away. `administrator_since`, `_until` and `_by` say when the person was given the
    rights that they have or had last, by whom (None: by the site's operator), and when they lost them (`flows.rights`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(
        _("mail address"), unique=True, error_messages={"unique": _("Somebody has this address.")}
    )
    name = models.CharField(_("name"), max_length=150, blank=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="people", verbose_name=_("tenant"))
    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.USER)
    is_active = models.BooleanField(_("active"), default=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    security_version = models.PositiveIntegerField(default=1, editable=False)
    webauthn_handle = models.BinaryField(max_length=64, unique=True, default=new_webauthn_handle, editable=False)
    mfa_enrolled_at = models.DateTimeField(_("enrolled since"), null=True, blank=True, editable=False)
    factors = models.PositiveSmallIntegerField(default=0, editable=False)
    codes_left = models.PositiveSmallIntegerField(null=True, editable=False)
    first_sign_in_at = models.DateTimeField(null=True, blank=True, editable=False)
    known_since = models.DateTimeField(default=timezone.now, editable=False)
    grace_closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    enrolment_guarded_at = models.DateTimeField(null=True, blank=True, editable=False)
    grace_cap = models.DateTimeField(null=True, blank=True, editable=False)
    grace_extended_to = models.DateTimeField(null=True, blank=True, editable=False)
    snoozes_used = models.PositiveSmallIntegerField(default=0, editable=False)
    snoozed_until = models.DateTimeField(null=True, blank=True, editable=False)
    joined_at = models.DateTimeField(null=True, blank=True, editable=False)
    date_joined = models.DateTimeField(_("added"), default=timezone.now, editable=False)
    administrator_since = models.DateTimeField(null=True, blank=True, editable=False)
    administrator_until = models.DateTimeField(null=True, blank=True, editable=False)
    administrator_by = models.UUIDField(null=True, blank=True, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ["email"]
        constraints = [models.UniqueConstraint(Lower("email"), name="one_person_per_address")]
        indexes = [
            models.Index(fields=["tenant", "mfa_enrolled_at"], name="person_tenant_enrolled"),
            models.Index(fields=["tenant", "factors"], name="person_tenant_factors"),
            models.Index(
                fields=["tenant", "factors", "role", "codes_left"],
                condition=models.Q(is_active=True),
                include=[
                    "is_superuser",
                    "known_since",
                    "first_sign_in_at",
                    "grace_closed_at",
                    "grace_cap",
                    "grace_extended_to",
                    "id",
                ],
                name="person_counted",
            ),
            models.Index(fields=["tenant", "email"], name="person_tenant_email"),
            models.Index(
                fields=["tenant", "email"],
                condition=models.Q(mfa_enrolled_at=None),
                include=["is_active"],
                name="person_missing",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = normalise_address(self.email)

    @property
    def is_staff(self) -> bool:
        """Whether the person may use Django admin: derived from the role, never stored."""
        return self.is_superuser or self.role == Role.ADMINISTRATOR

    @property
    def initials(self) -> str:
        words = (self.name or self.email.partition("@")[0].replace(".", " ")).split()
        return "".join(word[0] for word in words[:2]).upper()

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name.split()[0] if self.name.strip() else self.email


class AddressAnchor(models.Model):
    """When a mail address was first known here and first signed in, and how far its grace may still go.

    Keyed by a digest and kept when the person is deleted, so that re-creating somebody under the same address
    neither lengthens nor renews their grace. `grace_cap` is the earliest deadline that the address ever left
    behind, by moving, by a change of role or by deletion. `person_id` is who has the address or had it last: a person
    may leave several, and they all say what the person's row says (`flows.anchors`). `known_since` is for the tenant in
    `tenant_id`, where that person is or was last; without one, for none that anybody could be in.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    person_id = models.UUIDField(null=True, db_index=True)
    tenant_id = models.UUIDField(null=True)
    known_since = models.DateTimeField(default=timezone.now)
    first_sign_in_at = models.DateTimeField(null=True)
    grace_closed_at = models.DateTimeField(null=True)
    grace_cap = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.digest[:12]


def address_digest(email: str) -> str:
    """SHA-256 of the normalised address, in hex."""
    return hashlib.sha256(normalise_address(email).encode()).hexdigest()
