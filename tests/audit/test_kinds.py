"""The catalogue is complete, and refuses what it does not declare."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.utils import translation

from accounts.assurance import Method, Strength
from audit import declarations as d
from audit.catalogue import CATALOGUE
from audit.catalogue.fields import METHOD_WORDS, STRENGTH_WORDS
from audit.errors import DuplicateDeclaration, ReservedField, UndeclaredField, UndeclaredKind, WrongFieldType
from audit.kinds import Kind

EVERY_KIND = list(Kind)
SAMPLE = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_is_declared(kind: Kind) -> None:
    declared = CATALOGUE[kind]
    assert declared.kind == kind.value
    assert re.fullmatch(r"[a-z_0-9]+:[a-z_]+", kind)
    assert len(kind) <= 64
    assert isinstance(declared.category, d.Category)
    assert isinstance(declared.severity, d.Severity)
    assert isinstance(declared.outcome, d.Outcome)
    assert all(isinstance(field, d.Field) for field in declared.fields.values())


def test_nothing_is_declared_but_kinds() -> None:
    assert set(CATALOGUE) == set(Kind)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_sentence_uses_declared_fields_only(kind: Kind) -> None:
    used = set(re.findall(r"%\((\w+)\)s", str(CATALOGUE[kind].sentence)))
    assert used - {"actor", "target"} <= set(CATALOGUE[kind].fields)
    with translation.override("en"):
        told = CATALOGUE.sentence(kind, actor="", target="", payload={})
    assert (told.endswith(".") and told[0].isupper()) or told.startswith(("somebody", " "))


def test_a_sentence_names_the_address_where_nobody_is_known() -> None:
    told = CATALOGUE.sentence(Kind.SIGN_IN_FAILED, actor="anonymous", target="", payload={"email": "x@acme.example"})
    assert told == "Signing in as x@acme.example failed."


def test_a_sentence_lists_words_and_marks_what_is_missing() -> None:
    told = CATALOGUE.sentence(Kind.SIGN_IN_COMPLETED, actor="a", target="b", payload={"methods": ["password", "other"]})
    assert told == "b signed in (—: password, other)."


def test_a_sentence_says_methods_and_strengths_in_words() -> None:
    payload = {"strength": "multi_factor", "methods": ["password", "totp"], "method": "webauthn", "reason": "totp"}
    completed = CATALOGUE.sentence(Kind.SIGN_IN_COMPLETED, actor="a", target="b", payload=payload)
    assert completed == "b signed in (several factors: password, authenticator app)."
    accepted = CATALOGUE.sentence(Kind.SECOND_FACTOR_ACCEPTED, actor="a", target="b", payload=payload)
    assert accepted == "b passed the second step (passkey or security key)."
    refused = CATALOGUE.sentence(Kind.SECOND_FACTOR_FAILED, actor="a", target="b", payload=payload)
    assert refused == "A second factor of b was refused: totp."


def test_every_method_and_strength_has_its_words() -> None:
    assert METHOD_WORDS.keys() == set(Method)
    assert STRENGTH_WORDS.keys() == {each.name.lower() for each in Strength}


def test_a_sentence_says_a_moment_to_the_minute_and_leaves_what_is_none() -> None:
    for written, said in (("2026-11-29T15:48:41.479977Z", "2026-11-29 15:48 UTC"), ("soon", "soon"), (7, "7")):
        payload = {"addresses": 2, "until": written}
        spoken = CATALOGUE.sentence(Kind.ENROLMENT_LINK_SENT, actor="", target="dana@acme.example", payload=payload)
        assert spoken.endswith(f"dana@acme.example (2 ×), good until {said}.")


def test_a_kind_of_another_version_is_its_own_sentence() -> None:
    assert CATALOGUE.sentence("ghost:seen", actor="a", target="b", payload={}) == "ghost:seen"


def test_a_kind_cannot_be_declared_twice() -> None:
    catalogue = d.Catalogue()
    catalogue.declare(d.Category.KEYS, "key:seen", "Seen.")
    with pytest.raises(DuplicateDeclaration):
        catalogue.declare(d.Category.KEYS, "key:seen", "Seen again.")


@pytest.mark.parametrize("name", sorted(d.RESERVED))
def test_a_field_cannot_hide_an_argument_of_record(name: str) -> None:
    with pytest.raises(ReservedField):
        d.Catalogue().declare(d.Category.KEYS, "key:seen", "Seen.", **{name: d.TEXT})


def test_an_undeclared_kind_is_refused() -> None:
    with pytest.raises(UndeclaredKind):
        CATALOGUE["ghost:seen"]


@pytest.mark.security(87)
def test_an_undeclared_field_is_refused_by_name() -> None:
    with pytest.raises(UndeclaredField, match="'password'"):
        CATALOGUE[Kind.SIGN_IN_FAILED].encode({"password": "hunter2"})


def test_what_is_none_is_left_out_but_must_be_declared() -> None:
    assert CATALOGUE[Kind.SIGN_IN_FAILED].encode({"reason": None}) == {}
    with pytest.raises(UndeclaredField):
        CATALOGUE[Kind.SIGN_IN_FAILED].encode({"password": None})


class Words(d.StrEnum):
    """As methods, roles and reasons of other rooms are."""

    ONE = "one"


@pytest.mark.parametrize(
    ("field", "value", "encoded"),
    [
        (d.TEXT, "a\nb", "a\\u000ab"),
        (d.TEXT, Words.ONE, "one"),
        (d.NUMBER, 7, 7),
        (d.NUMBER, d.Severity.INFO, 10),
        (d.FLAG, False, False),
        (d.MOMENT, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006Z"),
        (d.ID, UUID(SAMPLE), SAMPLE),
        (d.ID, 12, "12"),
        (d.WORDS, ("b", Words.ONE), ["b", "one"]),
        (d.WORDS, {"b", "a"}, ["a", "b"]),
        (d.DOCUMENT, {"a\n": [1, None, {"b": UUID(SAMPLE)}]}, {"a\\u000a": [1, None, {"b": SAMPLE}]}),
        (d.DOCUMENT, datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000000Z"),
    ],
)
def test_a_field_encodes_its_own_type(field: d.Field, value: Any, encoded: Any) -> None:
    result = field.encode(value)
    assert result == encoded
    assert type(result) is type(encoded)


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else "x"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (d.TEXT, 1),
        (d.TEXT, b"bytes"),
        (d.NUMBER, True),
        (d.NUMBER, 1.0),
        (d.NUMBER, 2**53),
        (d.NUMBER, "1"),
        (d.FLAG, 1),
        (d.MOMENT, "2026-01-02"),
        (d.MOMENT, datetime(2026, 1, 2)),  # noqa: DTZ001
        (d.ID, True),
        (d.ID, 1.5),
        (d.WORDS, "word"),
        (d.WORDS, {"a": 1}),
        (d.WORDS, [1]),
        (d.DOCUMENT, 1.5),
        (d.DOCUMENT, {"a": {1: "b"}}),
        (d.DOCUMENT, {"a": object()}),
        (d.DOCUMENT, deep(d.DEEPEST + 1)),
    ],
)
def test_a_field_refuses_any_other_type(field: d.Field, value: Any) -> None:
    catalogue = d.Catalogue()
    catalogue.declare(d.Category.KEYS, "key:seen", "Seen.", fact=field)
    with pytest.raises(WrongFieldType, match="fact"):
        catalogue["key:seen"].encode({"fact": value})


def test_a_document_may_be_as_deep_as_stated() -> None:
    assert d.DOCUMENT.encode(deep(d.DEEPEST)) == deep(d.DEEPEST)


def test_long_text_is_bounded() -> None:
    assert len(d.TEXT.encode("a" * 5000)) == d.TEXT_LIMIT


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_addresses_and_free_text_are_personal(kind: Kind) -> None:
    """So that they can be erased later without breaking the chain."""
    assert {"email", "name", "explanation", "verified_how"} & set(CATALOGUE[kind].fields) <= CATALOGUE[kind].personal
