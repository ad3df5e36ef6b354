"""The record: events, and the head of each chain. `audit.ledger` writes both; nothing changes an event."""

from typing import Any, Never

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.catalogue import CATALOGUE
from audit.chain import GENESIS
from audit.declarations import Category, Outcome, Severity
from audit.errors import AppendOnly

HASH_LENGTH = 64  # hex digits


def _refuse(*args: Any, **kwargs: Any) -> Never:
    raise AppendOnly("Events are written by audit.log.record alone, and never changed or removed.")


_refuse.queryset_only = False  # type: ignore[attr-defined]  # managers get the private ones too


class EventQuerySet(models.QuerySet["AuditEvent"]):
    """Reads events; whatever would write is refused with AppendOnly."""

    create = acreate = get_or_create = aget_or_create = update_or_create = aupdate_or_create = _refuse
    bulk_create = abulk_create = bulk_update = abulk_update = update = aupdate = _refuse
    delete = adelete = _raw_delete = _update = _insert = _refuse


class AuditEvent(models.Model):
    """One thing that happened. Ids and labels are snapshots: events outlive what they name.

    Each personal value (labels, address, agent, personal payload) has its entry in `salts`, with which its digest is
    made; once it is erased with that, its digest is left in `digests`. No foreign keys, on purpose.
    """

    id = models.UUIDField(primary_key=True, editable=False)  # UUIDv7 of `at`
    form = models.PositiveSmallIntegerField()
    chain = models.UUIDField()
    sequence = models.PositiveBigIntegerField(_("number"))
    tenant_id = models.UUIDField(_("tenant"), null=True)
    kind = models.CharField(_("kind"), max_length=64)
    at = models.DateTimeField(_("time"))
    outcome = models.CharField(_("outcome"), max_length=16)
    actor_id = models.CharField(_("actor's id"), max_length=64, blank=True)
    actor_label = models.CharField(_("actor"), max_length=320, blank=True)
    target_type = models.CharField(_("target's type"), max_length=100, blank=True)
    target_id = models.CharField(_("target's id"), max_length=64, blank=True)
    target_label = models.CharField(_("target"), max_length=320, blank=True)
    ip = models.CharField(_("IP address"), max_length=45, blank=True)
    user_agent = models.CharField(_("browser"), max_length=300, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    payload = models.JSONField(_("facts"), default=dict)
    salts = models.JSONField(default=dict)
    digests = models.JSONField(default=dict)
    prev_hash = models.CharField(max_length=HASH_LENGTH)
    hash = models.CharField(max_length=HASH_LENGTH)
    mac = models.CharField(max_length=HASH_LENGTH)
    key_id = models.CharField(max_length=8)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-id"]
        default_permissions = ("view",)
        base_manager_name = "objects"
        constraints = [models.UniqueConstraint(fields=["chain", "sequence"], name="one_event_per_number")]
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="event_by_tenant"),
            models.Index(fields=["tenant_id", "kind", "outcome", "-id"], name="event_of_tenant_by_kind"),
            models.Index(fields=["actor_id", "-id"], name="event_by_actor"),
            models.Index(fields=["actor_label", "-id"], name="event_by_actor_label"),
            models.Index(fields=["target_id", "-id"], name="event_by_target"),
            models.Index(fields=["target_label", "-id"], name="event_by_target_label"),
            models.Index(fields=["kind", "outcome", "-id"], name="event_by_kind_and_outcome"),
            models.Index(fields=["ip", "-id"], name="event_by_address"),
            models.Index(fields=["request_id", "-id"], name="event_by_request_in_order"),
            models.Index(fields=["actor_id", "kind", "outcome", "-id"], name="event_of_actor_by_kind"),
            models.Index(fields=["actor_label", "kind", "outcome", "-id"], name="event_of_actor_label_by_kind"),
            models.Index(fields=["target_id", "kind", "outcome", "-id"], name="event_of_target_by_kind"),
            models.Index(fields=["target_label", "kind", "outcome", "-id"], name="event_of_target_label_by_kind"),
            models.Index(fields=["ip", "kind", "outcome", "-id"], name="event_of_address_by_kind"),
            models.Index(fields=["outcome", "-id"], condition=~models.Q(outcome=Outcome.OK), name="event_gone_wrong"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    save = asave = delete = adelete = _refuse

    @property
    def sentence(self) -> str:
        """What happened, in one sentence in the active language."""
        return CATALOGUE.sentence(self.kind, actor=self.actor_label, target=self.target_label, payload=self.payload)

    @property
    def severity(self) -> Severity | None:
        """How much attention it deserves; None for a kind that this version does not know."""
        return CATALOGUE[self.kind].severity if self.kind in CATALOGUE else None

    @property
    def category(self) -> Category | None:
        return CATALOGUE[self.kind].category if self.kind in CATALOGUE else None

    @property
    def succeeded(self) -> bool:
        return self.outcome == Outcome.OK


class AuditChain(models.Model):
    """The head of one chain: the tenant's by its id, the platform's by the nil UUID.

    Locked while events are appended, so that numbers have no gap and the chain no fork.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=HASH_LENGTH, default=GENESIS)

    class Meta:
        verbose_name = _("chain")
        verbose_name_plural = _("chains")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.id} at {self.sequence}"


class Checkpoint(models.Model):
    """A signed statement of every chain's head, as it was written outside; this copy proves nothing by itself."""

    number = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField()
    key_id = models.CharField(max_length=8)
    text = models.TextField()

    class Meta:
        verbose_name = _("checkpoint")
        verbose_name_plural = _("checkpoints")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.number} of {self.at:%Y-%m-%d}"
