"""Whoever reads a sentence of the record finds a reason in words, not as the code that flows record."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from accounts import canary, keyring
from accounts.authenticators.webauthn_errors import WebAuthnError
from accounts.errors import AccountsError
from audit.catalogue import CATALOGUE
from audit.catalogue.reasons import REASON, REASON_WORDS
from audit.kinds import Kind
from policies.terms import Reason

SILENT = {"cancelled", "last_factor_gone", "removed", "removed_by_administrator", "turned_off"}
"""Of kinds whose sentence says no reason."""


def recorded() -> Iterator[tuple[str, ast.expr]]:
    """Every reason that somebody is told of in the accounts room, and where."""
    for path in sorted(Path(settings.BASE_DIR, "accounts").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "reason":
                yield path.name, node.value


def test_every_reason_that_is_written_out_has_its_words() -> None:
    found = {told.value for _where, told in recorded() if isinstance(told, ast.Constant)}
    assert {"disowned", "two_step_turned_off"} <= found
    assert found - REASON_WORDS.keys() == SILENT


def test_every_refusal_that_is_named_has_its_words() -> None:
    codes = {kind.__name__: kind.code for kind in everything_below(AccountsError)}
    named = {
        told.value.id
        for _where, told in recorded()
        if isinstance(told, ast.Attribute) and told.attr == "code" and isinstance(told.value, ast.Name)
    } & codes.keys()
    assert {"WrongCode", "LinkInvalid"} <= named
    assert {codes[name] for name in named} <= REASON_WORDS.keys()


def everything_below(kind: type[AccountsError]) -> Iterator[type[AccountsError]]:
    for one in kind.__subclasses__():
        yield one
        yield from everything_below(one)


def test_every_refusal_of_a_key_has_its_words() -> None:
    assert {kind.code for kind in everything_below(WebAuthnError)} <= REASON_WORDS.keys()


def test_so_has_what_is_wrong_with_the_sites_keys_and_who_is_not_let_in() -> None:
    assert set(keyring.Reason) | (set(canary.Verdict) - {canary.Verdict.OK}) <= REASON_WORDS.keys()
    denied = {Reason.PERSON_INACTIVE, Reason.TENANT_INACTIVE, Reason.NO_POLICY, Reason.NO_EVIDENCE}
    assert denied <= REASON_WORDS.keys()


@pytest.mark.parametrize("kind", [kind for kind in Kind if "%(reason)s" in str(CATALOGUE[kind].sentence)])
def test_every_sentence_with_a_reason_says_it_in_words(kind: Kind) -> None:
    assert CATALOGUE[kind].fields["reason"] is REASON
    with translation.override("en"):
        told = CATALOGUE.sentence(kind, actor="a", target="b", payload={"reason": "wrong_code"})
    assert "the code was wrong" in told and "wrong_code" not in told
