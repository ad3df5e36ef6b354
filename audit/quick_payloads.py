"""Payloads as PostgreSQL spells them, put into canonical form without making objects of them: for `audit.quick`.

Payloads of one kind mostly differ in their texts alone. How such texts are put is found out once, from an example that
is read properly, and done for all of them together. Only what was found is remembered, never what an event says.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain as chained
from operator import itemgetter
from typing import Any, Final

from audit.chain import PAYLOAD, to_json
from audit.columns import REMEMBERED, Doubt

DIGITS: Final = 15  # that an integer may have and be below 2^53 whatever they are

Pick = Callable[[Sequence[Any]], tuple[Any, ...]]
Spell = Callable[[tuple[Any, ...]], str]


def parted(payloads: Sequence[str], names: tuple[str, ...]) -> list[Iterable[str]]:
    """The values of these personal fields as JSON, a column for each, and what is left, in canonical form.

    Raises Doubt and whatever reading a payload raises that holds what recording does not write.
    """
    if "\\" in "".join(payloads):  # something is escaped, and a quotation mark may be part of a text
        return _turned([_properly(payload, names) for payload in payloads])
    parts = [payload.split('"') for payload in payloads]  # what stands between texts, and texts, in turn
    if len(set(map(len, parts))) == 1:
        columns = list(zip(*parts, strict=True))
        between = columns[::2]
        members = _members(_one_of_each(between))(columns) if _are_alike(between) else None
        if members is not None and _are_alike(members):
            form = _form(_one_of_each(between), _one_of_each(members), names)
            return [_spelt_alike(spell, pick(columns), len(payloads)) for spell, pick in form]
    return _turned([_spelt(each, names) for each in parts])


def getter(items: Sequence[Any]) -> Pick:
    """`operator.itemgetter`, which gives a tuple however many items there are."""
    if len(items) > 1:
        return itemgetter(*items)
    return lambda values: tuple([values[item] for item in items])


def _turned(rows: list[tuple[str, ...]]) -> list[Iterable[str]]:
    return list(zip(*rows, strict=True))


def _are_alike(columns: Iterable[Sequence[str]]) -> bool:
    return all([len(set(each)) == 1 for each in columns])


def _one_of_each(columns: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple([each[0] for each in columns])


def _spelt_alike(spell: Spell, picked: tuple[Sequence[str], ...], count: int) -> Iterable[str]:
    return map(spell, zip(*picked, strict=True)) if picked else [spell(())] * count


def _spelt(parts: Sequence[str], names: tuple[str, ...]) -> tuple[str, ...]:
    between = tuple(parts[::2])
    form = _form(between, _members(between)(parts), names)
    return tuple([spell(pick(parts)) for spell, pick in form])


def _properly(payload: str, names: tuple[str, ...]) -> tuple[str, ...]:
    fields = _fields(payload)
    if payload.isascii() and not to_json(fields).isascii():
        raise Doubt  # what is not ASCII is escaped, as the database does not spell it
    return (*[to_json(fields.pop(_field(name))) for name in names], to_json(fields))


@lru_cache(REMEMBERED)
def _members(between: tuple[str, ...]) -> Pick:
    """What picks members' names among the parts of a payload that has this between its texts: colons follow them."""
    return getter([2 * place + 1 for place, each in enumerate(between[1:]) if each.startswith(":")])


@lru_cache(REMEMBERED)
def _form(between: tuple[str, ...], members: tuple[str, ...], names: tuple[str, ...]) -> list[tuple[Spell, Pick]]:
    """How the parts of payloads with these members and this between their texts are spelt, in the order of `parted`."""
    named = iter(members)
    told = [next(named) if each.startswith(":") else str(2 * place + 1) for place, each in enumerate(between[1:])]
    fields = _fields("".join(chained.from_iterable(zip(between, [*[f'"{each}"' for each in told], ""], strict=True))))
    return [_as_form(value) for value in (*[fields.pop(_field(name)) for name in names], fields)]


def _as_form(example: Any) -> tuple[Spell, Pick]:
    places: list[int] = []
    return _template(example, places).__mod__, getter(places)


def _template(example: Any, places: list[int]) -> str:
    """A value in canonical form with `%s` for each of its texts, which say where they stand among the parts."""
    if isinstance(example, dict):
        members = [f"{_literally(name)}:{_template(example[name], places)}" for name in sorted(example)]
        return f"{{{','.join(members)}}}"
    if isinstance(example, list):
        return f"[{','.join([_template(each, places) for each in example])}]"
    if isinstance(example, str):
        places.append(int(example))
        return '"%s"'
    return to_json(example)


def _literally(name: str) -> str:
    return to_json(name).replace("%", "%%")


def _field(name: str) -> str:
    return name.removeprefix(PAYLOAD)


def _integer(text: str) -> int:
    if len(text) > DIGITS:
        raise Doubt
    return int(text)


def _doubt(text: str) -> Any:
    raise Doubt


_read = json.JSONDecoder(parse_float=_doubt, parse_int=_integer, parse_constant=_doubt).raw_decode


def _fields(payload: str) -> dict[str, Any]:
    """The payload, of what the canonical form knows: no fractions, no large integers."""
    found, end = _read(payload)
    if not isinstance(found, dict) or end != len(payload):
        raise Doubt
    return found
