"""What the code records, read from the source: refusals that no test walks through must not fail on a field."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.catalogue import CATALOGUE
from audit.declarations import RESERVED
from audit.kinds import Kind

ROOT = Path(__file__).parents[2]
ROOMS = ("config", "policies", "accounts", "audit")
ARGUMENTS = RESERVED | {"outcome"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of anything whose first argument is `Kind.SOMETHING`, with its place."""
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        if path.parent == ROOT / "audit" / "catalogue":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and kind_name(node.args[0]):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def kind_name(node: ast.expr) -> str | None:
    """SOMETHING for the expression `Kind.SOMETHING` of ours; other rooms have enums of that name too."""
    named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Kind"
    return node.attr if named and isinstance(node, ast.Attribute) and ":" in getattr(Kind, node.attr, "") else None


FOUND = list(calls())


@pytest.mark.parametrize(("place", "call"), FOUND, ids=[place for place, _ in FOUND])
def test_every_recorded_field_is_declared(place: str, call: ast.Call) -> None:
    kind = Kind[str(kind_name(call.args[0]))]
    named = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    undeclared = named - ARGUMENTS - set(CATALOGUE[kind].fields)
    assert not undeclared, f"{place} records {kind} with {undeclared}"


def test_every_kind_named_in_the_code_exists() -> None:
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "from audit.kinds import Kind" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Kind":
                assert hasattr(Kind, node.attr), f"{path.relative_to(ROOT)}:{node.lineno}: no Kind.{node.attr}"


NOT_RECORDED = ["AUTHENTICATOR_UNLOCKED"]
"""Nothing unlocks an authenticator yet."""


def test_every_kind_is_recorded_somewhere() -> None:
    named = {
        node.attr
        for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
        if "catalogue" not in path.parts and path.name != "activity_words.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Kind"
    }
    assert sorted({kind.name for kind in Kind} - named) == NOT_RECORDED
