"""Every place in the database where secrets stand sealed, so that a change of key reaches all of them.

Whatever seals takes its contexts from a place that is registered here; one that is not gives none. And
`tests/accounts/test_sealed.py` fails for a context, a place or an encryption made elsewhere, and for a ciphertext where
no place says that one stands. Other rooms register theirs in `ready`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform

from accounts.authenticators import totp
from accounts.keyring import Context, Reason, UnreadableSecret
from accounts.models import Binding, PendingEnrolment

EVERY_ROW: Final = Q()


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of sealed secret: which rows have it, where it stands, and whose it is.

    `kind` is that of its contexts and never changes; `label` is what operators call it. `model` has a UUID as primary
    key, its column `key_id` the id of the key, indexed. `ciphertext` is the name of a column of it, or
    `relation__column__key` for text in a JSON column of a row beside it. `owner` is the column with the owner's UUID.
    `only` says which rows hold a secret at all. `tidy` makes a secret that another site stored what ours would have
    stored, and raises ValueError where it cannot be one.
    """

    kind: str
    label: str
    model: type[Model]
    owner: str
    ciphertext: str = "sealed"
    key_id: str = "sealed_under"
    only: Q = EVERY_ROW
    tidy: Callable[[str], str] = str

    def context(self, row: UUID, owner: UUID) -> Context:
        """What the secret of this row is sealed for. Raises LookupError where no change of key would reach it."""
        if _places.get(self.kind) is not self:
            raise LookupError(f"Nothing is sealed in a place that is not registered: {self.label}.")
        return Context(self.kind, row, owner)

    def rows(self) -> "QuerySet[Any]":
        """The rows that hold a secret, with `stored`, the ciphertext as it stands there (None where it is gone)."""
        rows: QuerySet[Any] = self.holders().annotate(stored=self._expression())
        return rows

    def holders(self) -> "QuerySet[Any]":
        """The rows that hold a secret, with nothing beside them read."""
        return self.model._default_manager.filter(self.only)

    def key_ids(self) -> Iterator[str]:
        """The ids of keys that rows hang on, by the indexed column: as many steps as there are keys, not rows."""
        ids = self.holders().exclude(**{self.key_id: ""}).order_by(self.key_id).values_list(self.key_id, flat=True)
        found = ids.first()
        while found is not None:
            yield found
            found = ids.filter(**{f"{self.key_id}__gt": found}).first()

    def tidied(self, secret: str) -> str:
        """`tidy`, with what it cannot use refused as unreadable. Raises UnreadableSecret."""
        try:
            return self.tidy(secret)
        except ValueError:
            raise UnreadableSecret(Reason.MALFORMED) from None

    @property
    def beside(self) -> tuple[str, str, str] | None:
        """Relation, column and key of a ciphertext that stands in a row beside; None for one in the row itself."""
        parts = self.ciphertext.split("__")
        return (parts[0], parts[1], parts[2]) if len(parts) == 3 else None

    @property
    def home(self) -> type[Model]:
        """The model of the row in which the ciphertext stands."""
        if self.beside is None:
            return self.model
        return self.model._meta.get_field(self.beside[0]).related_model  # type: ignore[return-value]

    @property
    def home_key(self) -> str:
        """The name of the column with the key of that row."""
        return "pk" if self.beside is None else f"{self.beside[0]}_id"

    def _expression(self) -> Combinable:
        if self.beside is None:
            return F(self.ciphertext)
        relation, column, key = self.beside
        return KeyTextTransform(key, f"{relation}__{column}")


TOTP: Final = Place(
    kind="totp",
    label="authenticator apps",
    model=Binding,
    owner="person_id",
    ciphertext="authenticator__data__secret",
    only=Q(kind=Binding.Kind.TOTP, unbound_at=None),
    tidy=totp.tidy_secret,
)
PENDING_TOTP: Final = Place(
    kind="pending-totp",
    label="unfinished enrolments",
    model=PendingEnrolment,
    owner="person_id",
    tidy=totp.tidy_secret,
)

_places: dict[str, Place] = {place.kind: place for place in (TOTP, PENDING_TOTP)}


def register(place: Place) -> None:
    """Add a place. Raises ValueError for the kind of another, whose ciphertexts would open here."""
    if _places.setdefault(place.kind, place) is not place:
        raise ValueError(f"Secrets of the kind {place.kind} stand elsewhere already.")


def places() -> tuple[Place, ...]:
    """Every place, in the order in which they were registered."""
    return tuple(_places.values())
