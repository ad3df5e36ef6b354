"""Making sets of recovery codes: shown once, replaced whole."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from accounts import enrolment_state, notices
from accounts.assurance import Method
from accounts.authenticators import recovery_codes
from accounts.errors import MethodNotAllowed, NotEnrolled
from accounts.flows import binding as bindings
from accounts.flows import people
from accounts.models import Binding, RecoveryCode, User
from accounts.policy import policy
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

WARN_AT = 3  # codes left


@unit_of_work
def make(person: User, session: "SessionStore", *, first: bool = False) -> list[str]:
    """A new set, to be shown now and never again; the old set ends with it.

    With `first`, straight after the first factor was bound, that binding is proof enough; afterwards somebody
    must be fresh. Raises MethodNotAllowed, NotFresh, or NotEnrolled when there is no factor to recover.
    """
    if Method.RECOVERY_CODE not in policy().allowed_methods(person):
        raise MethodNotAllowed
    locked = people.lock(person)
    live = Binding.objects.filter(person=locked, unbound_at=None).select_related("authenticator")
    old = live.filter(kind=Binding.Kind.RECOVERY_CODE).first()
    if not first or old is not None:
        bindings.require_fresh(person, session)
    if not live.exclude(kind=Binding.Kind.RECOVERY_CODE).exists():
        raise NotEnrolled
    codes = _store(old or bindings.new_binding(locked, Binding.Kind.RECOVERY_CODE))
    enrolment_state.refresh(locked)
    people.raise_security_version(locked)
    record(Kind.RECOVERY_CODES_MADE, actor=locked, target=locked, count=len(codes))
    notices.send("recovery_codes_made", locked, what="")
    return codes


def current_set(person: User) -> Binding | None:
    """The person's live set, or None."""
    return Binding.objects.filter(person=person, kind=Binding.Kind.RECOVERY_CODE, unbound_at=None).first()


def left(person: User) -> int:
    """How many unused codes the person has."""
    return RecoveryCode.objects.filter(binding__person=person, binding__unbound_at=None, used_at=None).count()


def are_current(person: User, codes: list[str]) -> bool:
    """Whether these are all unused codes of the live set: a page may be asked to print only what it just showed."""
    symbols = [recovery_codes.normalise(code) for code in codes]
    digests = {recovery_codes.digest_of(each) for each in symbols if each is not None}
    known = RecoveryCode.objects.filter(
        binding__person=person, binding__unbound_at=None, used_at=None, digest__in=digests
    )
    return bool(codes) and len(digests) == len(codes) == known.count()


def _store(binding: Binding) -> list[str]:
    """Fill a set anew. The binding stays the same, so that a session which a code let in keeps its proof."""
    codes = [recovery_codes.new_code() for _ in range(settings.MFA_RECOVERY_CODE_COUNT)]
    binding.codes.all().delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(binding=binding, digest=recovery_codes.digest_of(code.replace("-", ""))) for code in codes
    )
    fresh = {"bound_at": timezone.now(), "failures": 0, "paused_until": None, "locked_at": None}
    Binding.objects.filter(pk=binding.pk).update(**fresh)
    return codes
