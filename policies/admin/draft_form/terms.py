"""The words of a policy's form, and how what is typed keeps what nobody changed."""

from collections.abc import Collection, Sequence
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.views.presentation import LABELS
from policies import summary
from policies.terms import ADMINISTRATOR, LOCAL

METHOD_NAMES: Final[dict[str, str | Promise]] = {
    **summary.METHOD_NAMES,
    **{method.value: words for method, words in LABELS.items()},
}
ROLE_NAMES: Final[dict[str, str | Promise]] = {"user": _("User"), ADMINISTRATOR: _("Administrator")}
EVERY: Final[dict[str, str | Promise]] = {"user": _("All users"), ADMINISTRATOR: _("All administrators")}
FOR_ROLES: Final[dict[str, str | Promise]] = {"user": _("For users"), ADMINISTRATOR: _("For administrators")}


def source_name(source: str) -> str | Promise:
    """A way to sign in, as people know it."""
    return _("Password or passkey") if source == LOCAL else source.partition(":")[2]


def kept(stated: str, typed: str) -> str:
    """What is typed; what is stated where only the space around it differs, which no form keeps."""
    return stated if stated.strip() == typed.strip() else typed


def chosen(stated: Sequence[str], picked: Collection[str], *, offered: Collection[str]) -> list[str]:
    """What is picked, in the stated order; what is stated and was not offered stays."""
    kept = [one for one in stated if one in picked or one not in offered]
    return kept + [one for one in picked if one not in kept]


def ranked(stated: Sequence[str], picked: Sequence[str], *, offered: Collection[str]) -> list[str]:
    """What is picked in its own order; what is stated and was not offered keeps its place."""
    order = list(picked)
    for place, one in enumerate(stated):
        if one not in offered:
            order.insert(place, one)
    return order
