"""What a mail address leaves behind, so that nobody gains grace by becoming somebody else.

An anchor says since when its address is known in which tenant, when it first signed in, whether a reset closed its
grace, and the earliest deadline it ever left behind. It names the person who has the address or had it last, and says
what that person's row says: a later reset is thus known at the addresses they gave up, too. Who takes an address up
takes all of this over, and where two pasts meet the earlier moment of each holds, which is the stricter one. Whoever
comes from another tenant, moved or made again, is known only since then, for its grace is for the people it had.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from accounts.models import AddressAnchor, User
from accounts.models.people import address_digest
from accounts.policy import policy

STRICTER_EARLIER: Final = ("first_sign_in_at", "grace_closed_at", "grace_cap")
KEPT: Final = ("known_since", *STRICTER_EARLIER)
COLUMNS: Final = (*KEPT, "grace_extended_to")
"""The columns of `User` that this module changes; the caller, who holds the row, saves them."""


def take_up(person: User) -> None:
    """Give somebody who is about to be saved for the first time what their address left behind.

    Whose address was last known in another tenant is new in this one, as if they had moved.
    """
    anchor, is_new = AddressAnchor.objects.get_or_create(digest=address_digest(person.email), defaults=_owner(person))
    for name in KEPT:
        setattr(person, name, getattr(anchor, name))
    if anchor.tenant_id != person.tenant_id:
        person.known_since = timezone.now()
    if not is_new:
        _hand_over(anchor, person)


def take_over(person: User, address: str, *, former: str = "") -> bool:
    """Give a person an address: the stricter of both pasts holds, for all addresses they have or had.

    `former` is one that they had before anchors knew whose they are. Whether the person's own row changed.
    """
    anchor, is_new = AddressAnchor.objects.get_or_create(
        digest=address_digest(address), defaults={**_owner(person), **_past_of(person)}
    )
    before = _past_of(person)
    if not is_new:
        for name in STRICTER_EARLIER:
            setattr(person, name, _earlier(getattr(person, name), getattr(anchor, name)))
        _hand_over(anchor, person)
    store(person, former)
    return _past_of(person) != before


def store(person: User, *addresses: str) -> None:
    """Every anchor of this person, and those of these addresses, says what the person's row says."""
    digests = {address_digest(address) for address in (person.email, *addresses) if address}
    mine = AddressAnchor.objects.filter(Q(person_id=person.pk) | Q(digest__in=digests))
    mine.update(**_owner(person), **_past_of(person))


def keep_deadline(person: User) -> None:
    """The deadline they have is the last they get: asked before what it depends on changes.

    Who never had one, because nothing was ever demanded or their days have not begun, keeps none.
    """
    person.grace_cap = _earlier(person.grace_cap, policy().end_of_grace(person))


def settle(person: User, *, moved: bool) -> None:
    """After such a change. Who moved is new in the new tenant, for its grace is for the people it had.

    An extension stays behind there, and with whoever is an administrator now.
    """
    if moved:
        person.known_since = timezone.now()
    if moved or person.is_staff:
        person.grace_extended_to = None
    store(person)


def leave(person: User) -> None:
    """Before a person is deleted: every address of theirs keeps their past and their deadline."""
    keep_deadline(person)
    others = person.emailaddress_set.filter(verified=True).exclude(email=person.email)
    for address in (person.email, *others.order_by("email").values_list("email", flat=True)):
        take_over(person, address)


def note_first_sign_in(person: User) -> None:
    """One statement, at the very first sign-in."""
    anchor = AddressAnchor.objects.filter(digest=address_digest(person.email), first_sign_in_at=None)
    anchor.update(first_sign_in_at=person.first_sign_in_at)


def _hand_over(anchor: AddressAnchor, person: User) -> None:
    """From whoever had the address to this person; of somebody who is gone, all their addresses together.

    They are known from now on where this person is, and since when this person is.
    """
    taken = Q(digest=anchor.digest)
    if anchor.person_id is not None and not User.objects.filter(pk=anchor.person_id).exists():
        taken |= Q(person_id=anchor.person_id)
    AddressAnchor.objects.filter(taken).update(**_owner(person), known_since=person.known_since)


def _owner(person: User) -> dict[str, UUID]:
    return {"person_id": person.pk, "tenant_id": person.tenant_id}


def _past_of(person: User) -> dict[str, datetime | None]:
    return {name: getattr(person, name) for name in KEPT}


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min([moment for moment in (one, other) if moment is not None], default=None)
