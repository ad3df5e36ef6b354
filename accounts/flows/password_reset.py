"""Asking for a new password: the same work and the same answer, whether or not somebody has the address."""

from allauth.account.forms import EmailAwarePasswordResetTokenGenerator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse
from django_tasks import task

from accounts import notices
from accounts.errors import LinkInvalid
from accounts.flows import throttles
from accounts.models import User
from accounts.models.people import normalise_address
from audit.kinds import Kind
from audit.log import record, unit_of_work

NOBODY = 0


@unit_of_work
def ask(address: str) -> None:
    """Have the worker mail a link, if somebody active has this address; recorded either way, without the address."""
    known = EmailAddress.objects.select_related("user").filter(email=normalise_address(address), user__is_active=True)
    found = known.order_by("-verified", "pk").first()
    record(Kind.PASSWORD_RESET_REQUESTED, target=found.user if found else None)
    notices.when_committed(mail_link.enqueue, found.pk if found else NOBODY)


@task()
def mail_link(address_id: int) -> bool:
    """Mail the link to this address; the token is made here, so that no queue ever holds it. Whether one went out."""
    found = EmailAddress.objects.filter(pk=address_id, user__is_active=True).first()
    if found is None:
        return False
    person = User.objects.select_related("tenant").get(pk=found.user_id)
    notices.mail("account/email/password_reset_key", found.email, person, password_reset_url=link_for(person))
    return True


@unit_of_work
def note_refused(person: User | None) -> None:
    """Record that a link was wrong, used or too old, about whom it names; of one network, a few in an hour."""
    limit = throttles.REFUSED_LINKS
    if throttles.number(limit, throttles.here()) <= limit.count:
        record(Kind.PASSWORD_RESET_REFUSED, target=person, reason=LinkInvalid.code)


def link_for(person: User) -> str:
    """A link with which a person chooses a new password: until they did, or an address of theirs changed."""
    parts = {"uidb36": user_pk_to_url_str(person), "key": EmailAwarePasswordResetTokenGenerator().make_token(person)}
    return settings.SITE_URL + reverse("account_reset_password_from_key", kwargs=parts)
