"""What recording hashes and writes is what verifying computes: the quick way against the one that defines it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import chain, context, keys
from audit.catalogue import CATALOGUE
from audit.catalogue.fields import METHOD, METHODS, STRENGTH
from audit.catalogue.reasons import REASON
from audit.declarations import DOCUMENT, FLAG, ID, MOMENT, NUMBER, PERSONAL_DOCUMENT, PERSONAL_TEXT, TEXT, WORDS
from audit.drafts import COLUMNS, Draft
from audit.encoding import visible
from audit.entries import Entry, entry_of
from audit.errors import NotCanonical
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.audit.evidence import HOSTILE, Person

text = st.text(max_size=12) | st.just(HOSTILE)
number = st.integers(-(2**53) + 1, 2**53 - 1)
document = st.recursive(
    st.none() | st.booleans() | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
VALUES: dict[int, st.SearchStrategy[Any]] = {
    id(TEXT): text,
    id(METHOD): text,
    id(STRENGTH): text,
    id(REASON): text,
    id(PERSONAL_TEXT): text,
    id(ID): text | st.uuids() | number,
    id(NUMBER): number,
    id(FLAG): st.booleans(),
    id(MOMENT): st.datetimes(timezones=st.just(UTC)),
    id(WORDS): st.lists(text, max_size=3) | st.sets(text, max_size=3),
    id(METHODS): st.lists(text, max_size=3),
    id(DOCUMENT): document,
    id(PERSONAL_DOCUMENT): document,
}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Of any kind, with any of its fields, of and about anybody, from anywhere."""
    declaration = CATALOGUE[draw(st.sampled_from(sorted(CATALOGUE)))]
    fields = st.fixed_dictionaries({}, optional={n: VALUES[id(f)] for n, f in declaration.fields.items()})
    people = st.none() | st.builds(Person, email=text, tenant_id=st.none() | st.uuids())
    here = context.RequestContext(
        ip=draw(st.sampled_from(["", "192.0.2.7"])),
        user_agent=visible(draw(text), 300),
        request_id=visible(draw(text), 64),
    )
    with context.use(here):
        return entry_of(declaration, draw(people), draw(people), None, None, draw(fields))


@pytest.mark.security(88)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(entry=entries(), number=st.integers(1, 2**53 - 1))
def test_what_is_sealed_is_what_verifying_finds_whole(entry: Entry, number: int) -> None:
    draft = Draft(entry)
    previous, digest = "ab" * 32, draft.seal(number, "ab" * 32, keys.primary())
    assert draft.form(number) == chain.canonical(entry)
    assert digest == entry.hash
    assert chain.personal_copies(entry).keys() == entry.salts.keys() == chain.digests_of(entry).keys()
    assert chain.fault_of(entry, number, previous, keys.by_id()) is None


@given(entry=entries())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_row_spells_every_column(entry: Entry) -> None:
    draft = Draft(entry)
    draft.seal(7, chain.GENESIS, keys.primary())
    row = json.loads(draft.as_json())
    assert row.keys() == set(COLUMNS)
    for field in AuditEvent._meta.concrete_fields:
        told, meant = row.pop(field.column), getattr(entry, field.attname)
        assert field.to_python(told) == meant, field.column
    assert not row


@pytest.mark.parametrize("agent", ["e\u0301", "\ud800"])
def test_what_has_no_canonical_form_is_not_recorded(agent: str) -> None:
    """Whatever made it: a column that is hashed as it is, or one of which a digest is."""
    for here in (context.RequestContext(user_agent=agent), context.RequestContext(request_id=agent)):
        with context.use(here):
            entry = entry_of(CATALOGUE[Kind.SIGNED_OUT], None, None, None, None, {})
        with pytest.raises(NotCanonical):
            Draft(entry)


def test_salts_are_drawn_anew_for_every_value_and_event() -> None:
    person = Person()
    made = [entry_of(CATALOGUE[Kind.SIGNED_OUT], person, person, None, None, {}) for _ in range(3)]
    salts = [salt for entry in made for salt in Draft(entry).entry.salts.values()]
    assert len(salts) == len(set(salts)) == 6
    assert {len(salt) for salt in salts} == {32}


def test_the_moment_is_hashed_and_written_to_the_microsecond() -> None:
    entry = entry_of(CATALOGUE[Kind.SIGNED_OUT], None, None, None, None, {})
    entry.at = datetime(2026, 5, 1, 10, 20, 30, tzinfo=UTC)
    draft = Draft(entry)
    assert b'"at":"2026-05-01T10:20:30.000000Z"' in draft.form(1)
    assert '"at":"2026-05-01T10:20:30.000000+00:00"' in draft.as_json()
