"""The compose file keeps the key that signs the record, and what it signs, from every service but one."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(settings.BASE_DIR)
SIGNER = "checkpoints"
OURS = {"migrate", "web", "worker", SIGNER}


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def mounted(service: dict[str, Any]) -> dict[str, str]:
    """What a service has mounted, by volume."""
    return dict(volume.split(":")[:2] for volume in service.get("volumes", []))


def test_one_service_alone_has_the_signing_key_and_only_as_a_file(compose: Any) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if service.get("image") == "gatehouse"} == OURS
    [secret] = compose["secrets"]
    assert {name for name, service in services.items() if "secrets" in service} == {SIGNER}
    assert services[SIGNER]["secrets"] == [secret]
    assert services[SIGNER]["environment"]["AUDIT_CHECKPOINT_KEY_FILE"] == f"/run/secrets/{secret}"
    for name, service in services.items():
        named = {each for each in service.get("environment", {}) if each.startswith("AUDIT_CHECKPOINT_KEY")}
        assert named == ({"AUDIT_CHECKPOINT_KEY_FILE"} if name == SIGNER else set()), name


def test_what_it_writes_is_in_a_volume_that_no_other_service_sees(compose: Any) -> None:
    services = compose["services"]
    assert mounted(services[SIGNER]) == {"checkpoints": services[SIGNER]["environment"]["AUDIT_CHECKPOINT_DIR"]}
    assert {name for name, service in services.items() if "checkpoints" in mounted(service)} == {SIGNER}
    assert "checkpoints" in compose["volumes"]


def test_its_user_owns_every_directory_that_a_volume_is_mounted_on(compose: Any) -> None:
    [made] = re.findall(r"install --directory --owner 10001 --mode 700 (.+)", (ROOT / "Dockerfile").read_text())
    assert {path for name in OURS for path in mounted(compose["services"][name]).values()} == set(made.split())


def test_it_looks_each_minute_and_has_the_surroundings_of_the_others(compose: Any) -> None:
    signer, worker = compose["services"][SIGNER], compose["services"]["worker"]
    shell, option, loop = signer["command"]
    assert (shell, option) == ("sh", "-c")
    [(command, rest)] = re.findall(r"^while true; do python manage\.py (\w+) (--if-due); sleep 60; done$", loop)
    assert (command in get_commands(), rest) == (True, "--if-due")
    assert signer["profiles"] == ["checkpoints"]
    assert worker["environment"].items() <= signer["environment"].items()
    for each in ("read_only", "tmpfs", "cap_drop", "security_opt", "env_file", "depends_on", "restart"):
        assert signer[each] == worker[each], each


def test_the_file_of_the_key_gets_neither_into_git_nor_into_the_image(compose: Any) -> None:
    [secret] = compose["secrets"].values()
    name = secret["file"].removeprefix("./")
    assert name in (ROOT / ".gitignore").read_text().splitlines()
    kept_out, *let_in = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert kept_out == "*"
    assert f"!{name}" not in let_in


def test_the_example_of_the_environment_gives_the_key_to_nobody() -> None:
    assert "\nAUDIT_CHECKPOINT_KEY" not in (ROOT / ".env.example").read_text(encoding="utf-8")
