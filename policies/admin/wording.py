"""The versions and the draft of one policy in sentences, and what lies between two of them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from policies import document as documents
from policies import facts, summary
from policies import floor as floors
from policies.models import MFAPolicy
from policies.terms import Excluded

NAMES: Final[Mapping[str, str | Promise]] = {
    "enabled": gettext_lazy("whether it is switched on"),
    "name": gettext_lazy("its name"),
    "description": gettext_lazy("its description"),
    "contact": gettext_lazy("whom to ask for help"),
    "enforcement": gettext_lazy("how firmly it is demanded"),
    "scope": gettext_lazy("whom it is demanded of"),
    "excludes": gettext_lazy("the excludes"),
    "allowed": gettext_lazy("the allowed methods"),
    "strength": gettext_lazy("how strong the method has to be"),
    "minimum_factors": gettext_lazy("how many methods people need"),
    "grace_days": gettext_lazy("the grace of people who were here before"),
    "new_grace_days": gettext_lazy("the grace of new people"),
    "administrators_grace_days": gettext_lazy("the grace of administrators"),
    "snoozes": gettext_lazy("how often the reminder can be put off"),
    "trusted_browser_days": gettext_lazy("how long browsers are trusted"),
    "trusted_browser_never": gettext_lazy("who may never trust a browser"),
    "second_factor_hours": gettext_lazy("how long a second factor lasts"),
    "idle_minutes": gettext_lazy("when unused sessions end"),
    "administrators_idle_minutes": gettext_lazy("when administrators’ unused sessions end"),
    "fresh_minutes": gettext_lazy("how fresh a proof has to be"),
    "user_verification": gettext_lazy("whether keys ask who is there"),
    "attestation": gettext_lazy("whether makers vouch for keys"),
    "aaguids_allowed": gettext_lazy("which products are allowed as keys"),
    "aaguids_denied": gettext_lazy("which products are refused as keys"),
    "synced_passkeys": gettext_lazy("whether passkeys may be copied"),
    "passkey_login": gettext_lazy("whether a passkey alone signs in"),
    "sso": gettext_lazy("what is trusted of the identity provider"),
    "break_glass": gettext_lazy("the accounts for emergencies"),
    "tests": gettext_lazy("the tests of the policy"),
}
"""What each rule of a document decides, to be named within a sentence."""
UNTOLD: Final = frozenset(
    {"name", "description", "contact", "trusted_browser_never", "aaguids_allowed", "aaguids_denied"}
    | {"excludes", "sso", "break_glass", "tests"}
)
"""Rules that no sentence of the summary tells, or not all of them; another without a sentence has no effect."""
WITHOUT_EFFECT: Final = gettext_lazy("settings that are without effect at the moment")


class State(Protocol):
    """A version or a draft: a document, and whether it is switched on."""

    document: Any
    enabled: bool


class Change(NamedTuple):
    """What a state takes away from the one before it and adds to it, in sentences; `also` names what else is new.

    `switched`: "on", "off" or "". `is_readable`: False where one of them cannot be read here.
    """

    removed: list[str] = []
    added: list[str] = []
    also: list[str] = []
    switched: str = ""
    is_readable: bool = True

    @property
    def is_empty(self) -> bool:
        return self.is_readable and not (self.removed or self.added or self.also or self.switched)


class EndingExclude(NamedTuple):
    """An exclude that is about to end: whom it names, until when (aware), and why."""

    whom: str
    until: datetime
    reason: str


class Wording:
    """The states of a policy in words, with every person that they name by address: one query for all of them."""

    def __init__(self, policy: MFAPolicy, states: Iterable[State | None]) -> None:
        found = [readable(state.document) for state in states if state is not None]
        named = {one for document in found if document is not None for one in _people_in(document)}
        people = User.objects.filter(tenant=policy.tenant_id, pk__in=named) if named else User.objects.none()
        self.people: dict[str, User] = {str(person.pk): person for person in people}
        self.methods: Collection[str] = facts.supported_methods()

    def sentences(self, state: State) -> list[str]:
        """What a state demands; one sentence for a document that this site cannot read."""
        document = self.document(state)
        if document is None:
            return [_("This version cannot be read here: the strictest rules apply.")]
        return summary.sentences(document, self.methods)

    def enforced(self, state: State) -> tuple[list[str], bool]:
        """What is demanded under a state, with the platform's floor; and whether that is more than the state says."""
        document = self.document(state)
        if document is None:
            return self.sentences(state), False
        raised = floors.raised(document, floors.current())
        return summary.sentences(raised, self.methods), bool(floors.below(document, floors.current()))

    def change(self, before: State | None, after: State) -> Change:
        """What `after` is beside `before`; everything, where there was nothing."""
        new, old = self.document(after), None if before is None else self.document(before)
        if before is None and new is not None:
            return Change(added=summary.sentences(new, self.methods), switched="" if after.enabled else "off")
        switched = "" if before is None or before.enabled == after.enabled else ("on" if after.enabled else "off")
        if new is None or old is None:
            return Change(switched=switched, is_readable=False)
        removed, added = summary.differences(old, new, self.methods)
        return Change(removed, added, self._untold(old, new), switched)

    def document(self, state: State) -> dict[str, Any] | None:
        """A state's document with addresses in place of the ids of people; None where it cannot be read."""
        document = readable(state.document)
        if document is None:
            return None
        return document | {"excludes": [self._addressed(entry) for entry in document["excludes"]]}

    def ending_soon(self, state: State, now: datetime, within: timedelta) -> list[EndingExclude]:
        """The excludes of a state that end within a time from `now`, the first of them first."""
        document = self.document(state)
        entries = [] if document is None else document["excludes"]
        found = [
            EndingExclude(summary.whom(one), datetime.fromisoformat(one["until"]), one["reason"]) for one in entries
        ]
        return sorted([one for one in found if now < one.until <= now + within], key=lambda one: one.until)

    def break_glass(self, state: State) -> list[User | str]:
        """The accounts for emergencies; the id of one that is no longer there."""
        document = readable(state.document)
        return [] if document is None else [self.people.get(one, one) for one in document["break_glass"]]

    def _untold(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        """What differs without any sentence that differs by it."""
        differing = [key for key in new if old[key] != new[key]]
        silent = [key for key in differing if not (self._tells(old, key, new) or self._tells(new, key, old))]
        return list(dict.fromkeys(str(NAMES[key] if key in UNTOLD else WITHOUT_EFFECT) for key in silent))

    def _tells(self, document: Mapping[str, Any], key: str, other: Mapping[str, Any]) -> bool:
        """Whether any sentence would differ if this one rule of a document were the other's."""
        return any(summary.differences(document, {**document, key: other[key]}, self.methods))

    def _addressed(self, entry: dict[str, str]) -> dict[str, str]:
        person = self.people.get(entry["value"]) if entry["kind"] == Excluded.PERSON else None
        return entry if person is None else entry | {"value": person.email}


def readable(document: Any) -> dict[str, Any] | None:
    """A stored document as this site reads it, or None where it cannot."""
    document = documents.upgraded(document)
    try:
        documents.validate(document)
    except documents.DocumentError:
        return None
    return dict(document)


def _people_in(document: Mapping[str, Any]) -> set[UUID]:
    excluded = {UUID(entry["value"]) for entry in document["excludes"] if entry["kind"] == Excluded.PERSON}
    return excluded | {UUID(one) for one in document["break_glass"]}
