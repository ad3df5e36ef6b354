"""The link in a mail that cancels what was asked for about its reader: the id of the act, signed.

No table holds a link; it opens nothing, and what it can do it can do once: an act that is over is not cancelled.
"""

from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

_SIGNER: Final = Signer(salt="accounts.interventions")
_LONGEST_TOKEN: Final = 120  # characters


def token_of(act_id: UUID | str) -> str:
    """What stands in the link."""
    return _SIGNER.sign(str(act_id))


def url_of(act_id: UUID | str) -> str:
    """The link as a mail shows it."""
    return settings.SITE_URL + reverse("accounts_cancel_intervention", args=[token_of(act_id)])


def act_in(token: str) -> UUID | None:
    """The act that a link is about; None for anything else."""
    if len(token) > _LONGEST_TOKEN:
        return None
    try:
        return UUID(_SIGNER.unsign(token))
    except (BadSignature, ValueError):
        return None
