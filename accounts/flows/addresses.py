"""An administrator gives somebody another mail address, because they cannot read the old one any more.

Whoever reads the new one proves it by a link of its own; until then the old one stays what they sign in with. The new
one then takes its place, and the old one is theirs no more: whoever gets that mailbox next must not get the account.
"""

from datetime import timedelta
from typing import Any, Final

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import notices
from accounts.errors import AccountsError
from accounts.flows import people
from accounts.models import Intervention, Notice, User
from audit.kinds import Kind
from audit.log import record, unit_of_work

MAIL: Final = "address_confirm"
PROVED_WITHIN: Final = timedelta(days=7)  # the link itself is good for three


class AddressTaken(AccountsError):
    """The address is somebody's, perhaps their own."""

    code = "address_taken"
    message = _("Somebody has this address.")


def require_possible(act: Intervention, person: User) -> None:
    """Raises AddressTaken for what anybody signs in with or has proved, also this person."""
    proved = EmailAddress.objects.filter(email=act.address, verified=True)
    if not act.address or proved.exists() or User.objects.filter(email=act.address).exists():
        raise AddressTaken


def carry_out(act: Intervention, person: User, *, actor: User) -> None:
    """Add it unproved, and have a link mailed there; the addresses there are get a notice. The row is held."""
    address, _is_new = EmailAddress.objects.get_or_create(
        user=person, email=act.address, defaults={"verified": False, "primary": False}
    )
    people.raise_security_version(person)
    record(Kind.EMAIL_ADDED, actor=actor, target=person, email=address.email, intervention=str(act.pk))
    notices.send("address_change_begun", person, what=address.email, by_other=True)
    notices.owe([Notice(person=person, address=address.email, name=MAIL)])


def fresh(notice: Notice) -> dict[str, Any] | None:
    """The link that proves an address, as the mail goes out: no table holds its key. None where it is proved."""
    address = EmailAddress.objects.filter(user=notice.person, email=notice.address, verified=False).first()
    if address is None:
        return None
    return {"link": settings.SITE_URL + reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key])}


@unit_of_work
def proved(address: EmailAddress) -> None:
    """A mailbox was proved. If an administrator named it, its owner signs in with it from now on."""
    person = people.lock(address.user)
    if not _is_wanted(person, address.email) or User.objects.filter(email=address.email).exists():
        return
    before = person.email
    notices.send("address_changed", person, before=before, after=address.email)
    EmailAddress.objects.filter(user=person, email=before).delete()
    EmailAddress.objects.filter(user=person).exclude(pk=address.pk).update(primary=False)
    EmailAddress.objects.filter(pk=address.pk).update(primary=True)
    person.email = address.email
    person.save(update_fields=["email"])
    people.address_changed(person, before=before, after=address.email)
    people.raise_security_version(person)
    record(Kind.EMAIL_CHANGED, actor=person, target=person, before=before, after=address.email)


def _is_wanted(person: User, email: str) -> bool:
    """Whether this is the address that an administrator named last, and not long ago."""
    done = Intervention.objects.filter(
        person=person,
        kind=Intervention.Kind.ADDRESS,
        state=Intervention.State.DONE,
        finished_at__gt=timezone.now() - PROVED_WITHIN,
    )
    newest = done.order_by("-finished_at").first()
    return newest is not None and newest.address == email
