"""A change in sentences: what goes, what comes, and what no sentence tells."""

from dataclasses import dataclass
from typing import Any

import pytest

from policies import document as documents
from policies.admin.wording import NAMES, Change, Wording
from policies.floor import tightened
from tests.factories import TenantFactory
from tests.policies.publishing_scene import document

pytestmark = pytest.mark.django_db

ENTRY = {"kind": "group", "value": "Interns", "reason": "They leave.", "until": "2030-01-01T00:00:00+00:00"}
KEYS = ["2fc0579f-8113-47ea-b116-bb5a8db9202a", "08987058-cadc-4b81-b6e1-30de50dcbe96"]


@dataclass
class Stated:
    document: Any
    enabled: bool = True


def change(before: Stated | None, after: Stated) -> Change:
    return Wording(TenantFactory().policy, [before, after]).change(before, after)


@pytest.mark.parametrize(
    ("before", "after", "also"),
    [
        ({}, {"name": "Ours"}, ["its name"]),
        ({}, {"description": "d", "contact": "c"}, ["its description", "whom to ask for help"]),
        ({"excludes": [ENTRY]}, {"excludes": [ENTRY | {"reason": "Others."}]}, ["the excludes"]),
        ({"aaguids_allowed": KEYS[:1]}, {"aaguids_allowed": KEYS[1:]}, ["which products are allowed as keys"]),
        ({}, {"trusted_browser_never": []}, ["who may never trust a browser"]),
        (
            {"enforcement": "optional"},
            {"enforcement": "optional", "grace_days": 1},
            ["settings that are without effect at the moment"],
        ),
        ({"enforcement": "optional"}, {"grace_days": 1, "contact": "c"}, ["whom to ask for help"]),
        ({}, {"grace_days": 1}, []),
    ],
    ids=str,
)
def test_what_no_sentence_tells_is_named(before: dict[str, Any], after: dict[str, Any], also: list[str]) -> None:
    found = change(Stated(document(**before)), Stated(document(**after)))
    assert found.also == also
    assert not found.is_empty


def test_the_same_is_no_change() -> None:
    found = change(Stated(document()), Stated(document()))
    assert found == Change()
    assert found.is_empty


@pytest.mark.parametrize(("before", "after", "switched"), [(True, False, "off"), (False, True, "on"), (True, True, "")])
def test_switching_is_a_change(before: bool, after: bool, switched: str) -> None:
    found = change(Stated(document(), before), Stated(document(), after))
    assert (found.switched, found.is_empty) == (switched, not switched)


@pytest.mark.parametrize(("enabled", "switched"), [(True, ""), (False, "off")])
def test_the_first_version_is_new_altogether(enabled: bool, switched: str) -> None:
    found = change(None, Stated(document(), enabled))
    assert (found.removed, found.switched) == ([], switched)
    assert found.added[0] == "Require MFA for login"


@pytest.mark.parametrize(
    "pair", [({"schema": 99}, document()), (document(), []), (None, {"schema": 99})], ids=["old", "new", "first"]
)
def test_what_cannot_be_read_cannot_be_compared(pair: tuple[Any, Any]) -> None:
    before, after = pair
    found = change(None if before is None else Stated(before), Stated(after))
    assert (found.is_readable, found.is_empty) == (False, False)


def test_who_is_named_is_of_this_tenant_or_stays_an_id() -> None:
    stranger = "11111111-2222-4333-8444-555555555555"
    stated = Stated(document(excludes=[ENTRY | {"kind": "person", "value": stranger}]))
    wording = Wording(TenantFactory().policy, [stated])
    assert any(stranger in sentence for sentence in wording.sentences(stated))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({}, {"grace_days": 1, "idle_minutes": 60}, ["grace_days"]),
        ({}, {"allowed": ["totp"]}, ["allowed"]),
        ({}, {"allowed": ["recovery_code", "totp", "webauthn"]}, []),
        ({"excludes": [ENTRY]}, {}, ["excludes"]),
        ({}, {"excludes": [ENTRY]}, []),
        ({"excludes": [ENTRY]}, {"excludes": [ENTRY | {"until": "2029-01-01T00:00:00+00:00"}]}, ["excludes"]),
    ],
    ids=str,
)
def test_what_gets_stricter_is_known(before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    assert tightened(documents.default_document() | before, documents.default_document() | after) == expected


def test_every_rule_of_a_document_has_a_name() -> None:
    assert NAMES.keys() == documents.default_document().keys() - {"schema"} | {"enabled"}
