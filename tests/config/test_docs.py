"""The pages for people say what is so: links lead somewhere, names exist, numbers are those of the code."""

import ast
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import get_commands

from accounts.flows import keys, throttles
from policies import demo
from policies import document as documents

ROOT = Path(settings.BASE_DIR)
OPERATIONS = ROOT / "docs" / "operations.md"
SECURITY_MODEL = ROOT / "docs" / "security-model.md"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ADDRESS = re.compile(r"https?://[^\s)`|>\"]+")
HOSTS = ("localhost", "127.0.0.1", "example.com", "semver.org", "readthedocs.io")
VARIABLE = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
READ = re.compile(r"env\.\w+\(\s*\"([A-Z0-9_]+)\"")
CHECK_ID = re.compile(r"(?:(accounts|policies|audit)\.)?([EW]\d{3})")
PROOF = re.compile(r"`(test_\w+)` \(\[\w+\]\(\.\./(tests/[\w/]+\.py)\)\)")
PERIODS = {timedelta(minutes=5): "5 minutes", timedelta(hours=1): "1 h"}
ROOMS = ("accounts", "policies", "audit")
EVERY_PAGE = pytest.mark.parametrize("text_page", PAGES, ids=lambda one: str(one.relative_to(ROOT)))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What a link into a page may name, as the common renderers make it of a heading."""
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page)))
    return {heading.strip().replace(" ", "-") for heading in headings}


@EVERY_PAGE
def test_every_link_leads_somewhere(text_page):
    broken = []
    for target in LINK.findall(prose(text_page)):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        found = (text_page.parent / parts.path).resolve() if parts.path else text_page
        if not found.exists() or (parts.fragment and parts.fragment not in anchors(found)):
            broken.append(target)
    assert broken == []


@EVERY_PAGE
def test_no_page_names_hosts_or_places_that_are_not_the_readers(text_page):
    text = text_page.read_text(encoding="utf-8")
    hosts = {urlsplit(address).hostname or "" for address in ADDRESS.findall(text)}
    assert {host for host in hosts if not host.endswith(HOSTS)} == set()
    assert re.findall(r"(?<![\w.])/(?:home|root|tmp|opt|work)/\S*", text) == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_decisions_are_short_and_numbered_without_a_gap():
    too_long = [page.name for page in DECISIONS if len(page.read_text(encoding="utf-8").splitlines()) > 70]
    assert too_long == []
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for page in DECISIONS:
        assert page.read_text(encoding="utf-8").startswith(f"# {int(page.name[:4])}. "), page.name


def test_every_demo_person_is_in_the_readme_with_what_they_see():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert demo.PASSWORD in readme
    for person in demo.PEOPLE:
        assert f"| `{person.email}` | {person.sees.replace('/admin/', '`/admin/`')} |" in readme, person.email


def test_every_variable_is_explained():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    read = READ.findall((ROOT / "config" / "settings.py").read_text(encoding="utf-8"))
    named = set(VARIABLE.findall(example)) | set(read)
    assert len(named) > 30
    page = OPERATIONS.read_text(encoding="utf-8")
    assert {name for name in named if f"`{name}`" not in page} == set()


def check_ids() -> set[str]:
    """The id of every system check that our code can raise, from the texts in its check modules."""
    found = set()
    for room in ROOMS:
        for node in ast.walk(ast.parse((ROOT / room / "checks.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                match = CHECK_ID.fullmatch(node.value)
                found |= {f"{match[1] or room}.{match[2]}"} if match else set()
    return found


def test_every_system_check_is_explained_and_no_other():
    explained = re.findall(r"^\| `((?:accounts|policies|audit)\.[EW]\d{3})` \|", OPERATIONS.read_text(), re.MULTILINE)
    assert len(explained) == len(set(explained)) > 20
    assert set(explained) == check_ids()


def test_every_test_that_is_named_exists_where_it_is_named():
    rows = PROOF.findall(SECURITY_MODEL.read_text(encoding="utf-8"))
    assert len(rows) > 60
    gone = [name for name, path in rows if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")]
    assert gone == []


@EVERY_PAGE
def test_commands_that_are_named_exist(text_page):
    text = text_page.read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`(?:[A-Z]+=\S+ )?make ([a-z0-9-]+)", text)) <= set(targets)
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands())


@pytest.mark.parametrize(
    ("row", "limit"),
    [
        ("wrong passwords for one address from one network", throttles.PASSWORD_BY_ACCOUNT),
        ("wrong passwords from one network", throttles.PASSWORD_BY_NETWORK),
        ("failed passkeys from one network", throttles.PASSKEY_BY_NETWORK),
        ("passkey options from one network", keys.OPTIONS_BY_NETWORK),
        ("sign-ups from one network", throttles.SIGN_UP_BY_NETWORK),
        ("mails asked for one address", throttles.MAIL_BY_ADDRESS),
        ("mails asked for by one network", throttles.MAIL_BY_NETWORK),
    ],
)
def test_limits_are_told_as_they_are(row, limit):
    assert f"| {row} | {limit.count} in {PERIODS[limit.window]} |" in SECURITY_MODEL.read_text(encoding="utf-8")


@pytest.mark.parametrize("bounds", documents.BOUNDS.values(), ids=documents.BOUNDS)
def test_bounds_of_a_policy_are_told_as_they_are(bounds):
    guide = (ROOT / "docs" / "administrators-guide.md").read_text(encoding="utf-8")
    assert f"{bounds[0]} to {bounds[1]}" in guide
