"""The link “this was not me” that stands in mail: which mail it is from, signed. No table holds it.

Every kind of owed mail carries one, a reminder too: whoever opens it need not know which kind it was.
"""

from datetime import timedelta
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils import timezone

from accounts.models.mail import OwedMail

GOOD_FOR: Final = timedelta(days=30)
_SIGNER: Final = Signer(salt="accounts.not_me_links")
_LONGEST: Final = 120  # characters


def url_of(mail: OwedMail) -> str:
    """Where the link of this mail leads."""
    return settings.SITE_URL + reverse("accounts_not_me", args=[token_of(mail)])


def token_of(mail: OwedMail) -> str:
    """What stands in the link: the kind of mail and its number, signed."""
    return _SIGNER.sign(f"{mail._meta.model_name}.{mail.pk}")


def mail_of(token: str) -> OwedMail | None:
    """The mail of such a link, for thirty days; None for anything else."""
    if len(token) > _LONGEST:
        return None
    try:
        kind, _, number = _SIGNER.unsign(token).partition(".")
        kind_of_mail: Any = _kinds()[kind]
        found = kind_of_mail._default_manager.select_related("person__tenant").filter(pk=int(number))
    except (BadSignature, KeyError, ValueError):
        return None
    mail: OwedMail | None = found.filter(queued_at__gt=timezone.now() - GOOD_FOR).first()
    return mail


def _kinds() -> dict[str, type[OwedMail]]:
    return {str(one._meta.model_name): one for one in apps.get_models() if issubclass(one, OwedMail)}
