"""How a kind of event is declared: its payload fields and their types, severity, category and sentence."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from typing import Any, Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.chain import LARGEST_INTEGER
from audit.encoding import visible
from audit.errors import DuplicateDeclaration, ReservedField, UndeclaredField, UndeclaredKind, WrongFieldType

TEXT_LIMIT = 1000  # characters
DEEPEST = 8  # levels of a document
RESERVED = frozenset({"kind", "actor", "target", "tenant"})  # arguments of `record`


class Outcome(StrEnum):
    """How it went. Values never change."""

    OK = "ok"
    REFUSED = "refused"  # a rule or a wrong proof stood in the way
    FAILED = "failed"  # something is broken


class Severity(IntEnum):
    """How much attention an event deserves."""

    INFO = 10
    NOTICE = 20  # somebody's protection changed
    WARNING = 30  # somebody was stopped, or protection became less
    ALARM = 40  # somebody should look now


class Category(StrEnum):
    """What an event is about, as filters offer it. The value is stable, the label is for people."""

    label: Any

    def __new__(cls, value: str, label: Any) -> "Category":
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    PEOPLE = "people", _("People")
    SIGN_IN = "sign_in", _("Sign-in")
    AUTHENTICATORS = "authenticators", _("Authenticators")
    RECOVERY = "recovery", _("Recovery")
    ENFORCEMENT = "enforcement", _("Enforcement")
    POLICY = "policy", _("Policy")
    TENANTS = "tenants", _("Tenants")
    ADMINISTRATION = "administration", _("Administration")
    KEYS = "keys", _("Keys")


@dataclass(frozen=True, slots=True)
class Field:
    """One payload field: how its value becomes JSON, whether it is personal, and what sentences say for some values.

    A personal value can be erased later: the chain holds only a salted digest of it.
    """

    encode: Callable[[Any], Any]
    personal: bool = False
    words: Mapping[str, Promise | str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one kind of event looks like."""

    kind: str
    category: Category
    severity: Severity
    sentence: Promise | str
    outcome: Outcome
    fields: Mapping[str, Field]
    personal: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "personal", frozenset(n for n, f in self.fields.items() if f.personal))

    def encode(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload as JSON values, without what is None. Raises UndeclaredField and WrongFieldType."""
        encoded = {}
        for name, value in payload.items():
            declared = self.fields.get(name)
            if declared is None:
                raise UndeclaredField(f"{self.kind} declares no field {name!r}; see audit/catalogue/.")
            if value is None:
                continue
            try:
                encoded[name] = declared.encode(value)
            except TypeError as error:
                raise WrongFieldType(f"{self.kind}, field {name!r}: {error}") from error
        return encoded


class Catalogue(dict[str, Declaration]):
    """Every declared kind of event, by value."""

    def declare(
        self,
        category: Category,
        kind: str,
        sentence: Promise | str,
        /,
        severity: Severity = Severity.INFO,
        *,
        outcome: Outcome = Outcome.OK,
        **fields: Field,
    ) -> None:
        """Add a kind. `outcome` holds where the recording code names none.

        Raises DuplicateDeclaration, and ReservedField for a field named like an argument of `record`.
        """
        if kind in self:
            raise DuplicateDeclaration(f"{kind} is declared twice.")
        if reserved := RESERVED & fields.keys():
            raise ReservedField(f"{kind}: payload fields cannot be called {', '.join(sorted(reserved))}.")
        self[kind] = Declaration(str(kind), category, severity, sentence, outcome, fields)

    def sentence(self, kind: str, *, actor: str, target: str, payload: Mapping[str, Any]) -> str:
        """One sentence for people about one event, in the active language; a dash stands for what is unknown.

        A kind that this version does not know is its own sentence: rows outlive the code that wrote them.
        """
        if kind not in self:
            return kind
        known = {name: _spoken(value, self[kind].fields.get(name)) for name, value in payload.items()}
        known |= {"actor": actor, "target": target or payload.get("email") or _("somebody")}
        return str(self[kind].sentence) % defaultdict(lambda: "—", known)

    def __missing__(self, kind: str) -> Declaration:
        raise UndeclaredKind(f"{kind!r} is not in the catalogue; see audit/catalogue/.")


def _spoken(value: Any, declared: Field | None) -> Any:
    """A value as a sentence says it: in its field's words, a list with commas, a moment to the minute, in UTC."""
    if isinstance(value, list):
        return ", ".join(str(_spoken(one, declared)) for one in value)
    if declared is not None and isinstance(value, str) and value in declared.words:
        return declared.words[value]
    if declared is MOMENT and isinstance(value, str) and _MOMENT.fullmatch(value):
        return f"{value[:10]} {value[11:16]} UTC"
    return value


def _text(value: Any) -> str:
    if type(value) is str:  # as mostly
        return visible(value, TEXT_LIMIT)
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {type(value).__name__}")
    return visible(str(value.value) if isinstance(value, Enum) else value, TEXT_LIMIT)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST_INTEGER:
        raise TypeError(f"an integer within ±(2^53 - 1) expected, not {type(value).__name__}")
    return int(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"a boolean expected, not {type(value).__name__}")
    return value


def _moment(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError(f"a time with its zone expected, not {type(value).__name__}")
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")  # as `_moment` writes it


def _identifier(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, _IDENTIFIERS):
        raise TypeError(f"a UUID, text or integer expected, not {type(value).__name__}")
    return visible(str(value), TEXT_LIMIT)


def _words(value: Any) -> list[str]:
    if type(value) is list:  # as mostly
        return list(map(_text, value))
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"several texts expected, not {type(value).__name__}")
    words = [_text(word) for word in value]
    return sorted(words) if isinstance(value, set | frozenset) else words


def _document(value: Any, depth: int = 0) -> Any:
    """JSON of declared scalar types, `DEEPEST` levels at most; keys and texts are encoded like all others."""
    if value is None or isinstance(value, bool):
        return value
    for types, encode in _SCALARS:
        if isinstance(value, types):
            return encode(value)
    if depth == DEEPEST:
        raise TypeError(f"a document of at most {DEEPEST} levels expected")
    if isinstance(value, Mapping):
        return {_text(key): _document(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_document(item, depth + 1) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in a document")


_IDENTIFIERS: Final = (UUID, str, int)
_SCALARS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, _text),
    (int, _number),
    (datetime, _moment),
    (UUID, _identifier),
)

TEXT = Field(_text)
NUMBER = Field(_number)
FLAG = Field(_flag)
MOMENT = Field(_moment)
ID = Field(_identifier)
WORDS = Field(_words)
DOCUMENT = Field(_document)
PERSONAL_TEXT = Field(_text, personal=True)
PERSONAL_DOCUMENT = Field(_document, personal=True)
