"""What a tenant asks for before an account of its people is acted on, and who may change that.

A tenant's own administrators make the rules stricter, only the platform's make them weaker, and that holds a day
later: who means to act on somebody alone cannot lower the rules first and act before anybody noticed.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import notices
from accounts.errors import AccountsError, NotAllowed
from accounts.flows import binding as bindings
from accounts.flows import people
from accounts.models import HelpRules, Tenant, User
from accounts.models.helping import LONGEST_WAIT
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

WEAKER_AFTER: Final = timedelta(hours=24)
EVERYONE: Final = HelpRules.Approval.EVERYONE
FIELDS: Final = ("second_approver", "wait_hours", "administrators_wait_hours")


class OnlyStricter(AccountsError):
    """A tenant's administrator would make the rules weaker."""

    code = "only_stricter"
    message = _("You may make these rules stricter. Only platform administrators make them weaker.")


class WrongWait(AccountsError):
    """A wait that is none, or too long."""

    code = "wrong_wait"
    message = _("The hours to wait are a number from 0 to 168.")


@dataclass(frozen=True, slots=True)
class Rules:
    """Who needs a second administrator's consent, and how many hours pass between asking and doing."""

    second_approver: str
    wait_hours: int
    administrators_wait_hours: int

    def strictest(self, other: "Rules") -> "Rules":
        """Of each rule the stricter one."""
        return Rules(
            EVERYONE if EVERYONE in (self.second_approver, other.second_approver) else self.second_approver,
            max(self.wait_hours, other.wait_hours),
            max(self.administrators_wait_hours, other.administrators_wait_hours),
        )

    def needs_approval(self, *, of_administrator: bool) -> bool:
        """Whether a second administrator has to agree; to what is done to an administrator always."""
        return of_administrator or self.second_approver == EVERYONE

    def wait(self, *, of_administrator: bool) -> timedelta:
        """How long passes before an act on somebody of this kind is carried out."""
        return timedelta(hours=self.administrators_wait_hours if of_administrator else self.wait_hours)


def in_force(tenant_id: UUID, now: datetime) -> Rules:
    """The rules that hold in a tenant at `now`."""
    row = HelpRules.objects.filter(pk=tenant_id).first() or HelpRules(tenant_id=tenant_id)
    return _in_force(row, now)


def chosen(tenant_id: UUID) -> HelpRules:
    """What was chosen last, for a form: weaker rules may not hold yet (`weaker_from`)."""
    return HelpRules.objects.filter(pk=tenant_id).first() or HelpRules(tenant_id=tenant_id)


def change(tenant: Tenant, *, actor: User, session: "SessionStore", **wanted: Any) -> None:
    """Choose other rules. Raises NotAllowed, NotFresh, OnlyStricter or WrongWait; everybody concerned is told of
    weaker ones, which hold a day later."""
    if not (actor.is_active and (actor.is_superuser or (actor.is_staff and actor.tenant_id == tenant.pk))):
        raise NotAllowed
    bindings.require_fresh(actor, session)
    _change(tenant, actor=actor, wanted=wanted)


@unit_of_work
def _change(tenant: Tenant, *, actor: User, wanted: dict[str, Any]) -> None:
    locked, now = Tenant.objects.select_for_update().get(pk=tenant.pk), timezone.now()
    row = chosen(locked.pk)
    before, held = _stated(row), _in_force(row, now)
    after = replace(before, **wanted)
    if after == before:
        return
    _require_sound(after)
    if after.strictest(before) != after:
        if not actor.is_superuser:
            raise OnlyStricter
        row.former, row.weaker_from = asdict(held), now + WEAKER_AFTER
        _tell(locked, until=row.weaker_from)
    for name, value in asdict(after).items():
        setattr(row, name, value)
    row.save()
    record(
        Kind.TENANT_CHANGED, actor=actor, target=locked, before=_changed(before, after), after=_changed(after, before)
    )


def _stated(row: HelpRules) -> Rules:
    return Rules(*(getattr(row, name) for name in FIELDS))


def _in_force(row: HelpRules, now: datetime) -> Rules:
    is_waiting = row.weaker_from is not None and now < row.weaker_from
    return _stated(row).strictest(Rules(**row.former)) if is_waiting else _stated(row)


def _require_sound(rules: Rules) -> None:
    waits = (rules.wait_hours, rules.administrators_wait_hours)
    if rules.second_approver not in HelpRules.Approval.values or not all(0 <= one <= LONGEST_WAIT for one in waits):
        raise WrongWait


def _changed(rules: Rules, other: Rules) -> dict[str, Any]:
    theirs = asdict(other)
    return {name: value for name, value in asdict(rules).items() if value != theirs[name]}


def _tell(tenant: Tenant, *, until: datetime) -> None:
    for administrator in people.who_answers_in(tenant.pk):
        notices.send("help_rules_weaker", administrator, what=tenant.name, by_other=True, until=until.isoformat())
