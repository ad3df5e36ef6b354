"""Where and for what a factor is asked for: what every event of a try says beside the try itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from accounts import assurance
from accounts.assurance import Proof
from accounts.models import User

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

ENROLMENT: Final = "enrolment"
"""A purpose beside those of a key's ceremony: the first code of an app that is being set up."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """The session of a try, which may be that of a sign-in under way, and the purpose. Without them: not known."""

    session: "SessionStore | None" = None
    purpose: str = ""

    def facts(self) -> dict[str, Any]:
        """As fields of an event; no query."""
        session = None if self.session is None else str(self.session.row.public_id)
        return {"session": session, "purpose": str(self.purpose) or None}

    def strength_with(self, person: User, proof: Proof) -> str:
        """What the session comes to with a proof that it does not hold yet, by its name in the record."""
        held = () if self.session is None else self.session.proofs_of(person)
        return assurance.strength_of([*held, proof]).name.lower()


UNKNOWN: Final = Occasion()
