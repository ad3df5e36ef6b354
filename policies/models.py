"""What each tenant demands: a policy, its numbered immutable versions, and the draft of the next one."""

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant
from policies.background import PeriodicWork, Worker
from policies.exporting import RecordExport
from policies.reminding import Campaign, Reminder, ReminderRound

__all__ = [
    "Campaign",
    "DeadlineExtension",
    "DecidedSignIn",
    "ExclusionReport",
    "MFAPolicy",
    "PeriodicWork",
    "PolicyDraft",
    "PolicyVersion",
    "RecordExport",
    "Reminder",
    "ReminderRound",
    "Worker",
]


class MFAPolicy(models.Model):
    """The demand of one tenant. Changed only by `policies.flows`, never by saving a form.

    `version` is in force, unless it waits for its confirmation and `confirm_by` is past: then `fallback_version`
    is, from that moment on, whether or not anybody has noticed (`policies.facts`). `report_version` is judged
    beside it, and stops nobody. `draft_revision` counts every change of every draft it ever had.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.SlugField(_("identifier"), max_length=80, unique=True, editable=False)
    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="policy", verbose_name=_("tenant"))
    version = models.PositiveIntegerField(_("version"), default=0, editable=False)
    confirm_by = models.DateTimeField(null=True, editable=False)
    fallback_version = models.PositiveIntegerField(null=True, editable=False)
    report_version = models.PositiveIntegerField(null=True, editable=False)
    draft_revision = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("MFA policy")
        verbose_name_plural = _("MFA policies")
        ordering = ["tenant__name"]

    def __str__(self) -> str:
        return self.code


class PolicyVersion(models.Model):
    """One published state of a policy, for ever: number, schema, document, whether enabled, who and why.

    `enabled` stands apart from the level in the document, so that off and on again restores the level.
    `enforced_since` is when the policy first demanded anything, as it was when this version was published: set
    once, so that switching off and on never lengthens anybody's grace.
    """

    class Mode(models.TextChoices):
        ENFORCE = "enforce", _("in force")
        REPORT = "report", _("report only")

    policy = models.ForeignKey(MFAPolicy, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    mode = models.CharField(_("mode"), max_length=10, choices=Mode, default=Mode.ENFORCE)
    schema = models.PositiveSmallIntegerField(_("schema"))
    document = models.JSONField(_("document"))
    enabled = models.BooleanField(_("switched on"))
    enforced_since = models.DateTimeField(_("enforced since"), null=True)
    author_id = models.UUIDField(null=True)
    author_label = models.CharField(_("author"), max_length=254)
    reason = models.CharField(_("reason"), max_length=500)
    created_at = models.DateTimeField(_("published"), default=timezone.now)

    class Meta:
        verbose_name = _("policy version")
        verbose_name_plural = _("policy versions")
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["policy", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.policy_id} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("A published version never changes; publish another one.")
        super().save(*args, **kwargs)


class PolicyDraft(models.Model):
    """The next version while it is thought about: one for each policy, in force nowhere.

    `based_on` is the version it began from. `revision` is the policy's `draft_revision` at its last change: no two
    drafts ever share one, so whoever saves, publishes or drops a draft that is not the one they read is told. The
    document may be one that cannot be published yet.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    policy = models.OneToOneField(MFAPolicy, on_delete=models.CASCADE, related_name="draft")
    document = models.JSONField(_("document"))
    enabled = models.BooleanField(_("switched on"))
    based_on = models.PositiveIntegerField(_("begun from version"))
    revision = models.PositiveIntegerField()
    author_id = models.UUIDField(null=True)
    author_label = models.CharField(_("author"), max_length=254)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("policy draft")
        verbose_name_plural = _("policy drafts")

    def __str__(self) -> str:
        return f"draft of {self.policy_id}"


class DecidedSignIn(models.Model):
    """One decision of a sign-in with the facts it was made on, so that it can be explained, and tried again.

    A sign-in that is asked for a second factor leaves two: what was asked, and what came of it. `facts` is the
    JSON of `policies.receipts`, without any secret. `session` is the session's public id.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="decided_sign_ins")
    person_id = models.UUIDField()
    session = models.UUIDField()
    at = models.DateTimeField(_("time"), default=timezone.now)
    facts = models.JSONField()
    outcome = models.CharField(_("outcome"), max_length=20)
    reasons = models.JSONField()
    satisfied_by = models.JSONField(default=list)
    deadline = models.DateTimeField(null=True)
    policy_version = models.PositiveIntegerField(null=True)
    would_stop = models.PositiveIntegerField(null=True)
    """The version in report-only that would have stopped it."""

    class Meta:
        verbose_name = _("decided sign-in")
        verbose_name_plural = _("decided sign-ins")
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["tenant", "at"], name="decided_by_tenant"),
            models.Index(fields=["person_id", "at"], name="decided_by_person"),
            models.Index(
                fields=["tenant", "would_stop"], condition=models.Q(would_stop__isnull=False), name="decided_would_stop"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} at {self.at:%Y-%m-%d %H:%M}"


class DeadlineExtension(models.Model):
    """A row of the deadline ledger: who gave whom until when, and why. Rows are only ever added.

    What holds is the person's `grace_extended_to`, which the flow that adds a row keeps.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="deadline_extensions")
    person_id = models.UUIDField(db_index=True)
    person_label = models.CharField(_("person"), max_length=254)
    before = models.DateTimeField(_("before"), null=True)
    until = models.DateTimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=500)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(_("extended by"), max_length=254)
    created_at = models.DateTimeField(_("when"), default=timezone.now)

    class Meta:
        verbose_name = _("deadline extension")
        verbose_name_plural = _("deadline extensions")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.person_label} until {self.until:%Y-%m-%d}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("The ledger of deadlines is only ever added to.")
        super().save(*args, **kwargs)


class ExclusionReport(models.Model):
    """That the near end of an exclude was reported: once some days before, and once on its last day.

    `kind` and `value` name whom, as in the document. The same exclude with a later end is another one.
    """

    policy = models.ForeignKey(MFAPolicy, on_delete=models.CASCADE, related_name="exclusion_reports")
    kind = models.CharField(max_length=20)
    value = models.CharField(max_length=150)
    until = models.DateTimeField()
    last_day = models.BooleanField()
    reported_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "kind", "value", "until", "last_day"], name="one_report_of_an_ending_exclude"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value} until {self.until:%Y-%m-%d}"


class EnrolmentSnapshot(models.Model):
    """How far a tenant was on one day of its own calendar: what `policies.rollout.statistics` counted. Written once."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="enrolment_snapshots")
    day = models.DateField(_("day"))
    people = models.PositiveIntegerField(_("people"))
    enrolled = models.PositiveIntegerField(_("enrolled"))
    demanded = models.PositiveIntegerField()
    missing = models.PositiveIntegerField(_("not ready"))
    overdue = models.PositiveIntegerField(_("overdue"))
    excluded = models.PositiveIntegerField()
    one_loss_away = models.PositiveIntegerField()
    taken_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("enrolment snapshot")
        verbose_name_plural = _("enrolment snapshots")
        ordering = ["-day"]
        constraints = [models.UniqueConstraint(fields=["tenant", "day"], name="one_enrolment_snapshot_a_day")]

    def __str__(self) -> str:
        return f"{self.tenant_id} on {self.day:%Y-%m-%d}"
