"""What became of each version of a policy, and which one it replaced."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.admin import labels
from audit.kinds import Kind
from audit.models import AuditEvent
from policies.flows.publish import number_in_force
from policies.models import MFAPolicy, PolicyVersion

Mode = PolicyVersion.Mode


class Standing(NamedTuple):
    """Where a policy stands at one moment: the numbers of the versions that matter, 0 for none.

    `in_force`; `waiting`: the same one, while it waits for its confirmation; `on_trial`; `lapsed`: all that went
    out of force because nobody confirmed them.
    """

    in_force: int
    waiting: int
    on_trial: int
    lapsed: frozenset[int]

    @classmethod
    def of(cls, policy: MFAPolicy, now: datetime) -> "Standing":
        """One query."""
        reverted = AuditEvent.objects.filter(
            kind=Kind.POLICY_REVERTED, target_type=policy._meta.label_lower, target_id=str(policy.pk)
        )
        lapsed = {payload["previous_version"] for payload in reverted.values_list("payload", flat=True)}
        in_force = number_in_force(policy, now)
        if in_force != policy.version:
            lapsed.add(policy.version)  # nobody has written it down yet
        waiting = policy.confirm_by is not None and policy.confirm_by > now
        return cls(in_force, in_force if waiting else 0, policy.report_version or 0, frozenset(lapsed))

    def pill(self, version: PolicyVersion) -> SafeString:
        """What became of a version, in a word or two."""
        if version.number == self.in_force:
            return (
                labels.pill("grace", _("In force until confirmed"))
                if self.waiting
                else labels.pill("ok", _("In force"))
            )
        if version.number in self.lapsed:
            return labels.pill("bad", _("Out of force: nobody confirmed it"))
        if version.mode == Mode.REPORT:
            on_trial = version.number == self.on_trial
            return labels.pill("info", _("On trial")) if on_trial else labels.pill("", _("Was on trial"))
        return labels.pill("", _("Replaced"))

    def predecessors(self, policy: MFAPolicy, versions: Iterable[PolicyVersion]) -> dict[int, PolicyVersion]:
        """For each of these consecutive versions (newest first) the one in force before it, by number; one query."""
        shown = list(versions)
        if not shown:
            return {}
        earlier = policy.versions.filter(number__lt=shown[-1].number, mode=Mode.ENFORCE)
        oldest = earlier.exclude(number__in=self.lapsed).first()
        ended = [one for one in shown if one.mode == Mode.ENFORCE and one.number not in self.lapsed]
        candidates = [*ended, *([oldest] if oldest else [])]
        found = ((one, next((old for old in candidates if old.number < one.number), None)) for one in shown)
        return {one.number: old for one, old in found if old is not None}
