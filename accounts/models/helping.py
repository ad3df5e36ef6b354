"""What administrators do to somebody else's account, on whose word, and how the two made sure of each other."""

import secrets
import uuid
from typing import Final

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

LONGEST_WAIT: Final = 7 * 24  # hours
ADMINISTRATORS_WAIT: Final = 24  # hours, unless the tenant chooses otherwise


def new_salt() -> bytes:
    """256 random bits."""
    return secrets.token_bytes(32)


class HelpRules(models.Model):
    """What a tenant asks for before an account of its people is acted on; without a row, the defaults hold.

    Whatever stands here, an act on an administrator takes a second one. Rules that were made weaker hold from
    `weaker_from` on; until then the stricter ones of before do, in `former` (`flows.help_rules`).
    """

    class Approval(models.TextChoices):
        ADMINISTRATORS = "administrators", _("For administrators")
        EVERYONE = "everyone", _("For everybody")

    tenant = models.OneToOneField(
        "accounts.Tenant", on_delete=models.CASCADE, primary_key=True, related_name="help_rules"
    )
    second_approver = models.CharField(
        _("second administrator"), max_length=20, choices=Approval, default=Approval.ADMINISTRATORS
    )
    wait_hours = models.PositiveSmallIntegerField(
        _("hours to wait"), default=0, validators=[MaxValueValidator(LONGEST_WAIT)]
    )
    administrators_wait_hours = models.PositiveSmallIntegerField(
        _("hours to wait for administrators"),
        default=ADMINISTRATORS_WAIT,
        validators=[MaxValueValidator(LONGEST_WAIT)],
    )
    weaker_from = models.DateTimeField(null=True, editable=False)
    former = models.JSONField(default=dict, editable=False)

    class Meta:
        verbose_name = _("rules for helping")
        verbose_name_plural = _("rules for helping")

    def __str__(self) -> str:
        return str(self.tenant_id)


class Intervention(models.Model):
    """One act of an administrator on somebody else's account, from the moment it is asked for to its end.

    `ASKED` needs a second administrator, `WAITING` has what it needs and waits for `not_before`. Of each kind one can
    be open for a person, and of removals one for each authenticator: of two administrators at once one is first.
    """

    class Kind(models.TextChoices):
        RESET = "reset", _("Reset two-step verification")
        REMOVAL = "removal", _("Remove one authenticator")
        ADDRESS = "address", _("Change the mail address")
        PASSWORD = "password", _("Demand a new password")
        ACCESS_PASS = "access_pass", _("Issue an access pass")

    class State(models.TextChoices):
        ASKED = "asked", _("Needs a second administrator")
        WAITING = "waiting", _("Waits for its time")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        DECLINED = "declined", _("Declined")
        LAPSED = "lapsed", _("Lapsed")

    class VerifiedHow(models.TextChoices):
        IN_PERSON = "in_person", _("In person, by somebody who knows them")
        VIDEO = "video", _("On a video call, with an identity document")
        CALL_BACK = "call_back", _("By calling back a number on file")
        MANAGER = "manager", _("Their manager confirmed it")
        CALLER_CHECK = "caller_check", _("By a caller check that was passed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("what"), max_length=20, choices=Kind)
    state = models.CharField(_("state"), max_length=20, choices=State)
    person = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="interventions", verbose_name=_("person")
    )
    tenant = models.ForeignKey(
        "accounts.Tenant", on_delete=models.CASCADE, related_name="interventions", verbose_name=_("tenant")
    )
    binding = models.ForeignKey(
        "accounts.Binding", on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("authenticator")
    )
    address = models.EmailField(_("new mail address"), blank=True)
    minutes = models.PositiveSmallIntegerField(_("minutes the pass is good for"), null=True)
    reason = models.CharField(_("reason"), max_length=500)
    verified_how = models.CharField(_("how the person was recognised"), max_length=40, choices=VerifiedHow)
    ticket = models.CharField(_("support ticket"), max_length=60, blank=True)
    caller_check = models.ForeignKey(
        "accounts.CallerCheck", on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("caller check")
    )
    by_command = models.BooleanField(_("on the command line"), default=False)
    requested_at = models.DateTimeField(_("asked for"), default=timezone.now)
    requested_by = models.UUIDField()
    requested_by_label = models.CharField(_("asked for by"), max_length=254)
    needs_approval = models.BooleanField(_("needs a second administrator"))
    approved_at = models.DateTimeField(_("approved"), null=True)
    approved_by = models.UUIDField(null=True)
    approved_by_label = models.CharField(_("approved by"), max_length=254, blank=True)
    not_before = models.DateTimeField(_("not before"))
    expires_at = models.DateTimeField(_("lapses"))
    finished_at = models.DateTimeField(_("finished"), null=True)
    finished_by = models.UUIDField(null=True)
    finished_by_label = models.CharField(_("finished by"), max_length=254, blank=True)
    trouble = models.CharField(_("why it was not done"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("act on an account")
        verbose_name_plural = _("acts on accounts")
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "kind"],
                condition=models.Q(state__in=["asked", "waiting"]) & ~models.Q(kind="removal"),
                name="one_open_act_of_a_kind",
            ),
            models.UniqueConstraint(
                fields=["binding"],
                condition=models.Q(state__in=["asked", "waiting"], kind="removal"),
                name="one_open_removal",
            ),
        ]
        indexes = [
            models.Index(
                fields=["not_before"], condition=models.Q(state__in=["asked", "waiting"]), name="interventions_open"
            ),
            models.Index(fields=["tenant", "-requested_at"], name="interventions_of_tenant"),
        ]

    def __str__(self) -> str:
        return str(self.get_kind_display())

    @property
    def is_open(self) -> bool:
        return self.state in (self.State.ASKED, self.State.WAITING)


class HelpRequest(models.Model):
    """Somebody who cannot get in asked for help, or somebody else did under their address: nothing is proved by it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="help_requests", verbose_name=_("person")
    )
    tenant = models.ForeignKey(
        "accounts.Tenant", on_delete=models.CASCADE, related_name="help_requests", verbose_name=_("tenant")
    )
    asked_at = models.DateTimeField(_("asked"), default=timezone.now)
    knew_password = models.BooleanField(_("knew the password"), default=False)
    ip = models.GenericIPAddressField(_("IP address"), null=True)
    agent = models.CharField(_("browser"), max_length=300, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True)
    closed_by = models.UUIDField(null=True)
    closed_by_label = models.CharField(_("closed by"), max_length=254, blank=True)

    class Meta:
        verbose_name = _("request for help")
        verbose_name_plural = _("requests for help")
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(fields=["person"], condition=models.Q(closed_at=None), name="one_open_help_request")
        ]
        indexes = [models.Index(fields=["tenant", "-asked_at"], name="help_requests_of_tenant")]

    def __str__(self) -> str:
        return f"request for help {self.pk}"


class CallerCheck(models.Model):
    """Two codes, each good for a minute, that a person and whoever calls them read to each other.

    Both codes derive from `salt` and a key of the site, so neither is in the table. `agent_proved_at`: the person
    entered the agent's code; `person_proved_at`: the agent entered the person's.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="caller_checks", verbose_name=_("person")
    )
    tenant = models.ForeignKey(
        "accounts.Tenant", on_delete=models.CASCADE, related_name="caller_checks", verbose_name=_("tenant")
    )
    ticket = models.CharField(_("support ticket"), max_length=60)
    salt = models.BinaryField(max_length=32, default=new_salt, editable=False)
    agent_id = models.UUIDField()
    agent_label = models.CharField(_("by"), max_length=254)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    expires_at = models.DateTimeField(_("until"))
    mailed_at = models.DateTimeField(_("mailed"), null=True)
    failures = models.PositiveSmallIntegerField(_("wrong codes"), default=0)
    agent_proved_at = models.DateTimeField(_("the person recognised the agent"), null=True)
    person_proved_at = models.DateTimeField(_("the agent recognised the person"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("caller check")
        verbose_name_plural = _("caller checks")
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["person", "-started_at"], name="caller_checks_of_person")]

    def __str__(self) -> str:
        return f"caller check {self.pk}"
