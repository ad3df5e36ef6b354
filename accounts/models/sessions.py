"""Sessions: who, since when, from where, what was proved, and the grant that lets a request through."""

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import assurance

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


class Session(AbstractBaseSession):
    """One browser's session. Written by `accounts.session_store.SessionStore` alone.

    `proofs` is what this session proved (see `accounts.assurance`); strength derives from it and from nothing
    else. `proving` is whose sign-in was last under way in it: nobody is signed in by that. `browser` is the id of the
    person's `Browser`. The `grant_*` columns are the gate's last *allow*, void as soon as one of its inputs changed.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(
        "accounts.User",
        on_delete=models.CASCADE,
        null=True,
        related_name="sessions",
        verbose_name=_("person"),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    signed_in_at = models.DateTimeField(_("signed in"), null=True)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    ip = models.GenericIPAddressField(_("IP address"), null=True)
    agent = models.CharField(_("browser"), max_length=300, blank=True)
    proving = models.UUIDField(null=True)
    browser = models.UUIDField(null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    proofs = models.JSONField(_("proved"), default=list)
    replacement_open = models.BooleanField(default=False)
    grant_tenant = models.UUIDField(null=True)
    grant_role = models.CharField(max_length=24, blank=True)
    grant_policy_version = models.PositiveIntegerField(null=True)
    grant_floor = models.CharField(max_length=16, blank=True)
    grant_security_version = models.PositiveIntegerField(null=True)
    grant_valid_until = models.DateTimeField(null=True)
    grant_deadline = models.DateTimeField(null=True)
    grant_idle = models.PositiveIntegerField(null=True)  # seconds

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        indexes = [models.Index(fields=["person", "ended_at"], name="session_person_ended")]

    def __str__(self) -> str:
        return str(self.public_id)  # never the key: whoever has it has the session

    @classmethod
    def get_session_store_class(cls) -> "type[SessionStore]":
        from accounts.session_store import SessionStore

        return SessionStore

    @property
    def status(self) -> str:
        """`pending` until somebody is signed in, then `active`, `expired` or `ended`."""
        if self.ended_at is not None:
            return "ended"
        if self.expire_date <= timezone.now():
            return "expired"
        return "active" if self.person_id else "pending"

    @property
    def strength(self) -> assurance.Strength:
        return assurance.strength_of(assurance.from_json(self.proofs))

    @property
    def mfa_verified(self) -> bool:
        return self.strength >= assurance.Strength.MULTI_FACTOR

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("Sessions are written by accounts.session_store.SessionStore.")
