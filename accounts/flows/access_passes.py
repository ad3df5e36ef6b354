"""Access passes: twelve characters that an administrator is shown once and reads out, good once and for a while.

A pass is issued by the act of an administrator on somebody else's account (`flows.interventions`), which says who may
ask for it and who has to agree. It has no characters before whoever asked has it shown, so that nobody else ever sees
them. Its session can do one thing, which is to enrol (`policies.engine`). Everything here holds the person's row.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import notices
from accounts.assurance import Method, Proof
from accounts.authenticators import access_passes as passes
from accounts.errors import AccountsError, NotAllowed
from accounts.flows import admissions, people, throttles
from accounts.flows import intervention_rules as rules
from accounts.models import AccessPass, Binding, Intervention, User
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

MINUTES: Final = 60
SHORTEST: Final = 10
LONGEST: Final = 24 * 60
SHOWN_WITHIN: Final = timedelta(hours=24)
TRIES: Final = 5
ENTERED = throttles.Limit("access-pass", 20, timedelta(minutes=15), timedelta(minutes=5))


class WrongLifetime(AccountsError):
    """A pass is good for ten minutes at least and for a day at most."""

    code = "wrong_lifetime"
    message = _("An access pass is good for 10 minutes at least, and for 24 hours at most.")


class SomethingEnrolled(AccountsError):
    """A pass is only for who has nothing enrolled: it must never be a way past a factor."""

    code = "something_enrolled"
    message = _("This person has a method. Remove what is lost, or reset their two-step verification first.")


class PassGone(AccountsError):
    """The pass was shown already, used, revoked, or has run out."""

    code = "access_pass_gone"
    message = _("This pass cannot be shown any more: it was shown before, was revoked, or has run out. Issue another.")


class WrongPass(AccountsError):
    """Not the person's pass; or it was used, revoked, or has run out."""

    code = "wrong_access_pass"
    message = _(
        "That is no valid access pass. Check the characters: a pass works once and for a short time, and five "
        "wrong tries end it. If it keeps failing, ask your administrator for a new one."
    )


def require_lifetime(minutes: int) -> None:
    """Raises WrongLifetime unless a pass may be good for so many minutes."""
    if not SHORTEST <= minutes <= LONGEST:
        raise WrongLifetime


def require_nothing_enrolled(person: User) -> None:
    """Raises SomethingEnrolled for somebody who has a method, locked ones too."""
    if Binding.objects.filter(person=person, unbound_at=None).exists():
        raise SomethingEnrolled


@unit_of_work
def issue(intervention: Intervention) -> AccessPass:
    """Make the pass that an act is for; one that was there is revoked, and a password alone enrols no more.

    It is good for nothing until it is shown (`show`), within a day. Raises NotAllowed for one's own, WrongLifetime,
    SomethingEnrolled.
    """
    person = people.lock(intervention.person)
    if intervention.requested_by == person.pk:
        raise NotAllowed
    require_lifetime(minutes_for(intervention))
    require_nothing_enrolled(person)
    admissions.revoke_passes(person, reason="replaced")
    if person.enrolment_guarded_at is None:
        admissions.guard(person)
        people.raise_security_version(person)
    now = timezone.now()
    made = AccessPass.objects.create(
        person=person,
        intervention=intervention,
        issued_at=now,
        issued_by=intervention.requested_by,
        issued_by_label=intervention.requested_by_label,
        expires_at=now + SHOWN_WITHIN,
    )
    asker = User.objects.filter(pk=intervention.requested_by).first()
    record(Kind.ACCESS_PASS_ISSUED, actor=asker, target=person, until=made.expires_at, **admissions.about(made))
    return made


def show(held: AccessPass, *, actor: User, session: "SessionStore") -> str:
    """The characters, for whoever asked for the pass: now and never again. From now on it is good.

    Raises NotAllowed, NotProtected, NotFresh, SomethingEnrolled or PassGone.
    """
    rules.require_proof(actor, session)
    return _show(held, actor=actor)


def show_to_command(held: AccessPass, *, actor: User) -> str:
    """As `show`, for a pass that was asked for on the command line, where nobody proves a factor; the event says so.

    Raises NotAllowed for a pass that was asked for otherwise, or by somebody else.
    """
    if held.intervention is None or not held.intervention.by_command:
        raise NotAllowed
    return _show(held, actor=actor)


def may_show(held: AccessPass, actor: User) -> bool:
    """Whether this administrator asked for this pass and still answers for its person."""
    return held.issued_by == actor.pk and actor.pk != held.person_id and people.manages(actor, held.person)


@unit_of_work
def _show(held: AccessPass, *, actor: User) -> str:
    held.person = people.lock(held.person)
    if not may_show(held, User.objects.select_related("tenant").get(pk=actor.pk)):
        raise NotAllowed
    require_nothing_enrolled(held.person)
    now, shown = timezone.now(), passes.new_pass()
    if not _is_agreed_to(held, held.person, now):
        raise PassGone
    until = now + timedelta(minutes=minutes_of(held))
    unseen = _live(now).filter(pk=held.pk, hashed="")
    if unseen.update(hashed=passes.hash_of(shown), expires_at=until) != 1:
        raise PassGone
    record(Kind.ACCESS_PASS_SHOWN, actor=actor, target=held.person, until=until, **admissions.about(held))
    notices.send("access_pass_issued", held.person, by_other=True)
    return shown


def redeem(person: User, session: "SessionStore", entered: str) -> Proof:
    """Prove the person's pass in this session, which can then only enrol.

    Raises WrongPass (counted and recorded; the fifth ends the pass), or TooManyRequests (recorded).
    """
    throttles.count_recorded((ENTERED, str(person.pk)), about=person)
    proof = _redeem(person, session, entered)
    if proof is None:
        raise WrongPass
    return proof


@unit_of_work
def _redeem(person: User, session: "SessionStore", entered: str) -> Proof | None:
    locked, now = people.lock(person), timezone.now()
    held = _live(now).filter(person=locked).exclude(hashed="").select_related("intervention").first()
    symbols = passes.normalise(entered)
    is_right = symbols is not None and passes.matches(symbols, "" if held is None else held.hashed)
    is_good = held is not None and is_right and _is_agreed_to(held, locked, now)
    if held is None or not is_good or _live(now).filter(pk=held.pk).update(used_at=now) != 1:
        _refuse(locked, held)
        return None
    proof = Proof(method=Method.ACCESS_PASS, at=now)
    session.prove(locked, proof)
    session_id = str(session.row.public_id)
    record(Kind.ACCESS_PASS_USED, actor=locked, target=locked, session=session_id, **admissions.about(held))
    return proof


def _is_agreed_to(held: AccessPass, person: User, now: datetime) -> bool:
    """Whether as many administrators stand behind a pass as it takes for this person now: rights may have changed."""
    act = held.intervention
    needs_approval = rules.demands_on(person, Intervention.Kind.ACCESS_PASS, now).needs_approval
    return not needs_approval or (act is not None and act.approved_at is not None)


def _refuse(person: User, held: AccessPass | None) -> None:
    """Record a wrong try, and count it against the pass there is."""
    if held is None:
        record(Kind.ACCESS_PASS_REFUSED, actor=person, target=person, reason="no_pass")
        return
    AccessPass.objects.filter(pk=held.pk).update(failures=F("failures") + 1)
    failures = held.failures + 1
    about = {"failures": failures, **admissions.about(held)}
    record(Kind.ACCESS_PASS_REFUSED, actor=person, target=person, reason=WrongPass.code, **about)
    if failures >= TRIES:
        admissions.revoke_passes(person, reason="too_many_tries")


def revoke(held: AccessPass, *, actor: User) -> None:
    """End a pass before it is used. Raises NotAllowed; nothing happens to one that is over."""
    if not people.manages(actor, held.person):
        raise NotAllowed
    _revoke(held, actor=actor)


@unit_of_work
def _revoke(held: AccessPass, *, actor: User) -> None:
    person = people.lock(held.person)
    if AccessPass.objects.filter(pk=held.pk, used_at=None, revoked_at=None).exists():
        admissions.revoke_passes(person, reason="by_administrator", actor=actor)


def newest_of(person: User) -> AccessPass | None:
    """The pass that was issued last, however it stands."""
    of_person = AccessPass.objects.select_related("person__tenant", "intervention").filter(person=person)
    return of_person.order_by("-issued_at").first()


def is_open_for(person: User) -> bool:
    """Whether a pass of this person waits to be shown, or to be used."""
    return _live(timezone.now()).filter(person=person).exists()


def waits_to_be_shown(act: Intervention, actor: User) -> bool:
    """Whether this act issued a pass that this administrator may have shown, and has not."""
    held = newest_of(act.person) if act.kind == Intervention.Kind.ACCESS_PASS else None
    if held is None or held.intervention_id != act.pk:
        return False
    return state_of(held, timezone.now()) == "unseen" and may_show(held, actor)


def minutes_of(held: AccessPass) -> int:
    """How long it is good once it is shown."""
    return minutes_for(held.intervention)


def minutes_for(act: Intervention | None) -> int:
    """How long a pass by this act is to be good; an hour where nobody said."""
    return MINUTES if act is None or act.minutes is None else act.minutes


def state_of(held: AccessPass, now: datetime) -> str:
    """`unseen`, `good`, `used`, `revoked` or `over`."""
    if held.used_at is not None:
        return "used"
    if held.revoked_at is not None and held.revoked_at < held.expires_at:
        return "revoked"
    if held.expires_at <= now:
        return "over"
    return "good" if held.hashed else "unseen"


def lapse(now: datetime) -> int:
    """Note of every pass that ran out unused that it did; returns how many."""
    over = AccessPass.objects.filter(used_at=None, revoked_at=None, expires_at__lte=now).select_related("person")
    return sum(_lapse(held) for held in over.order_by("pk"))


@unit_of_work
def _lapse(held: AccessPass) -> int:
    person = people.lock(held.person)
    still = AccessPass.objects.filter(pk=held.pk, used_at=None, revoked_at=None, expires_at__lte=timezone.now())
    ended = still.update(revoked_at=timezone.now())
    if ended:
        record(Kind.ACCESS_PASS_LAPSED, target=person, **admissions.about(held))
    return ended


def _live(now: datetime) -> QuerySet[AccessPass]:
    return AccessPass.objects.filter(used_at=None, revoked_at=None, expires_at__gt=now)
