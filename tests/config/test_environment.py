"""The site starts with everything it needs, or not at all; and nothing it reads is left unexplained."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import setup_env
from tests.harness import environment, locks

ROOT = Path(__file__).resolve().parents[2]
SAFE = environment.for_production()


def manage(surroundings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a management command with these variables alone."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=bare | surroundings, capture_output=True, text=True, check=False)


def variables_read() -> set[str]:
    """The names that settings.py and the sources of keys ask the environment for."""
    sources = [(ROOT / "config" / name).read_text(encoding="utf-8") for name in ("settings.py", "key_sources.py")]
    nodes = (node for source in sources for node in ast.walk(ast.parse(source)))
    calls = (node for node in nodes if isinstance(node, ast.Call) and node.args)
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and isinstance(call.args[0], ast.Constant)
    }


def variables_explained() -> set[str]:
    """The names that .env.example has, set or commented."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    return set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", example, re.MULTILINE))


def test_the_example_explains_every_variable_and_no_other() -> None:
    outside_settings = {"POSTGRES_PASSWORD", "WEB_CONCURRENCY"}
    assert variables_explained() == variables_read() | outside_settings


def test_the_example_holds_no_key_that_anybody_could_use() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name in ("SECRET_KEY", "MFA_ENCRYPTION_KEYS", "AUDIT_HMAC_KEYS", "POSTGRES_PASSWORD"):
        assert f"\n{name}=\n" in example


@pytest.mark.security(90)
@pytest.mark.parametrize("missing", ["SECRET_KEY", "SITE_URL", "MFA_ENCRYPTION_KEYS", "AUDIT_HMAC_KEYS"])
def test_without_what_it_needs_the_site_refuses_to_start(missing: str) -> None:
    done = manage({name: value for name, value in SAFE.items() if name != missing}, "check")
    assert done.returncode != 0
    assert missing in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEBUG", "perhaps"), ("TRUSTED_PROXY_COUNT", "one"), ("DATABASE_URL", "cobol://x"), ("CACHE_URL", "cobol://x")],
)
def test_a_value_that_does_not_parse_stops_the_start(name: str, value: str) -> None:
    assert manage(SAFE | {name: value}, "check").returncode != 0


def test_an_empty_secret_key_stops_the_start() -> None:
    assert "SECRET_KEY" in manage(SAFE | {"SECRET_KEY": ""}, "check").stderr


@pytest.mark.security(90)
def test_a_production_environment_passes_every_deployment_check() -> None:
    done = manage(SAFE, "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


def test_setting_up_writes_fresh_keys_once(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    assert setup_env.main(env) == 0
    first = env.read_text()
    assert setup_env.main(env) == 0
    assert env.read_text() == first
    assert env.stat().st_mode & 0o077 == 0
    assert setup_env.contents() != first


def test_what_setting_up_writes_is_an_environment_in_which_the_site_starts() -> None:
    lines = (line for line in setup_env.contents().splitlines() if line and not line.startswith("#"))
    written = dict(line.split("=", 1) for line in lines)
    done = manage({"GATEHOUSE_DOTENV": "off", "DATABASE_URL": "sqlite://:memory:"} | written, "check")
    assert done.returncode == 0, done.stderr


def test_setting_up_needs_nothing_installed() -> None:
    tree = ast.parse((ROOT / "config" / "setup_env.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


PROJECT = {"project": {"dependencies": ["Django>=5.2,<5.3"]}, "dependency-groups": {"dev": ["ruff>=0.17"]}}


@pytest.mark.parametrize(
    ("runtime", "dev", "fault"),
    [
        ({"django": "5.2.1"}, {"django": "5.2.1", "ruff": "0.18"}, None),
        ({}, {"django": "5.2.1", "ruff": "0.18"}, "Django is not in requirements.lock"),
        ({"django": "6.0"}, {"django": "6.0", "ruff": "0.18"}, "excludes"),
        ({"django": "5.2.1"}, {"django": "5.2.2", "ruff": "0.18"}, "5.2.2 in requirements-dev.lock"),
        ({"django": "5.2.1"}, {"django": "5.2.1"}, "ruff is not in requirements-dev.lock"),
    ],
)
def test_a_lock_that_is_out_of_step_is_noticed(runtime: dict[str, str], dev: dict[str, str], fault: str | None) -> None:
    faults = locks.faults_of(PROJECT, runtime, dev)
    assert any(fault in found for found in faults) if fault else faults == []
