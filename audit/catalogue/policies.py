"""Policies: drafts, versions, trials."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import POLICY, Declare
from audit.declarations import MOMENT, NUMBER, PERSONAL_TEXT, TEXT, Category, Outcome, Severity
from audit.kinds import Kind

_policy: Declare = partial(CATALOGUE.declare, Category.POLICY)
_policy(Kind.POLICY_CREATED, _("%(actor)s created the policy %(target)s."), Severity.NOTICE, **POLICY)
_policy(
    Kind.POLICY_PUBLISHED,
    _("%(actor)s published version %(version)s of the policy %(target)s."),
    Severity.WARNING,
    **POLICY,
)
_policy(
    Kind.POLICY_PUBLISH_REFUSED,
    _("%(actor)s could not publish the policy %(target)s: %(code)s."),
    outcome=Outcome.REFUSED,
    code=TEXT,
    **POLICY,
)
_policy(Kind.POLICY_SWITCHED_OFF, _("%(actor)s switched enforcement off for %(target)s."), Severity.ALARM, **POLICY)
_policy(Kind.POLICY_SWITCHED_ON, _("%(actor)s switched enforcement on for %(target)s."), Severity.NOTICE, **POLICY)
_policy(Kind.POLICY_CONFIRMED, _("%(actor)s confirmed version %(version)s for %(target)s."), Severity.NOTICE, **POLICY)
_policy(
    Kind.POLICY_REVERTED,
    _("Version %(previous_version)s of %(target)s was not confirmed; version %(version)s is in force again."),
    Severity.WARNING,
    since=MOMENT,
    **POLICY,
)
_policy(
    Kind.POLICY_REPORT_STARTED,
    _("%(actor)s put version %(version)s of %(target)s on trial: it reports, and stops nobody."),
    Severity.NOTICE,
    **POLICY,
)
_policy(Kind.POLICY_REPORT_STOPPED, _("%(actor)s ended the trial of version %(version)s of %(target)s."), **POLICY)
_policy(Kind.POLICY_DRAFT_SAVED, _("%(actor)s changed the draft of %(target)s."), revision=NUMBER, **POLICY)
_policy(Kind.POLICY_DRAFT_DISCARDED, _("%(actor)s discarded the draft of %(target)s."), revision=NUMBER, **POLICY)
_policy(
    Kind.POLICY_EXCLUSION_ENDING,
    _("An exclude of the policy %(target)s ends: %(excluded)s."),
    Severity.NOTICE,
    excluded=PERSONAL_TEXT,
    until=MOMENT,
    **POLICY,
)
