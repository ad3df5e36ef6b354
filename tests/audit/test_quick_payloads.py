"""Payloads put into canonical form together are what each of them is by itself."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from audit.chain import PAYLOAD, to_json
from audit.quick_payloads import parted

NAMES = ("email", "note", "%s", "ä", "to", "v1", "1")
awkward = st.sampled_from(["", "%s", "1", "a:b", "\\", '"'])
text = st.text(st.characters(exclude_categories=("Cs",)), max_size=8) | awkward
value = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**13), 10**14) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=5,
)
payload = st.dictionaries(st.sampled_from(NAMES), value, max_size=5)


def spelt(fields: dict[str, Any]) -> str:
    """As PostgreSQL spells jsonb: spaces, and members in an order of its own."""
    ordered = dict(sorted(fields.items(), key=lambda member: (len(member[0].encode()), member[0].encode())))
    return json.dumps(ordered, ensure_ascii=False)


def expected(fields: dict[str, Any], names: list[str]) -> list[str]:
    left = {name: told for name, told in fields.items() if name not in names}
    return [*[to_json(fields[name]) for name in names], to_json(left)]


def hold(payloads: list[dict[str, Any]], names: list[str]) -> None:
    found = parted([spelt(each) for each in payloads], tuple(PAYLOAD + name for name in names))
    assert list(map(list, zip(*found, strict=True))) == [expected(each, names) for each in payloads]


@given(payload, st.data())
def test_payloads_that_differ_in_their_texts_alone(first: dict[str, Any], data: st.DataObject) -> None:
    def other(told: Any) -> Any:
        if isinstance(told, dict):
            return {name: other(each) for name, each in told.items()}
        if isinstance(told, list):
            return list(map(other, told))
        return data.draw(text) if isinstance(told, str) else told

    names = data.draw(st.lists(st.sampled_from(sorted(first)), unique=True, max_size=2)) if first else []
    hold([first, *[other(first) for _ in range(data.draw(st.integers(0, 3)))]], names)


@given(st.lists(payload, min_size=1, max_size=4))
@example([{"v1": "x", "to": "a"}, {"v1": "y", "%s": "b"}])  # as many parts, other members
@example([{"to": "x", "v1": 1}, {"to": "y", "v1": 2}])  # the same members, other numbers
def test_payloads_that_differ_in_anything(payloads: list[dict[str, Any]]) -> None:
    hold(payloads, [])
