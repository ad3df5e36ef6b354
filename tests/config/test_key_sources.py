"""Where encryption keys come from: the environment, files, a wrapped file; a source that fails names no key."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import key_sources
from config.environment import Environment
from tests.harness import environment


def new_key() -> str:
    return Fernet.generate_key().decode()


KEYS = [new_key() for _ in range(3)]


@pytest.fixture
def surroundings(monkeypatch):
    """Set these variables, and none of those that name keys beside them."""

    def set_(**values: str) -> Environment:
        for name in list(os.environ):
            if name.startswith("MFA_"):
                monkeypatch.delenv(name)
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return Environment()

    return set_


@pytest.mark.parametrize("between", [",", ", ", "\n", " ", "\r\n", ",\n"])
def test_keys_are_parted_by_commas_spaces_or_lines(surroundings, between):
    assert key_sources.keys_of(surroundings(MFA_ENCRYPTION_KEYS=between.join(KEYS) + "\n")) == KEYS


def test_a_single_key_is_the_last_and_none_are_none(surroundings):
    one, two, three = KEYS
    found = key_sources.keys_of(surroundings(MFA_ENCRYPTION_KEYS=f"{one},{two}", MFA_ENCRYPTION_KEY=three))
    assert found == KEYS
    assert key_sources.keys_of(surroundings()) == []


def test_keys_stand_in_a_file_one_a_line(surroundings, tmp_path):
    (file := tmp_path / "keys").write_text("\n".join(KEYS) + "\n", encoding="utf-8")
    assert key_sources.keys_of(surroundings(MFA_ENCRYPTION_KEYS_FILE=str(file))) == KEYS


def wrapped(tmp_path: Path, wrapping: str, *lines: str) -> dict[str, str]:
    (file := tmp_path / "wrapped.keys").write_text("\n".join(lines), encoding="utf-8")
    source = "config.key_sources.from_wrapped_file"
    return {"MFA_KEY_SOURCE": source, "MFA_WRAPPED_KEYS": str(file), "MFA_WRAPPING_KEY": wrapping}


def test_wrapped_keys_are_unwrapped_in_their_order(surroundings, tmp_path):
    wrapping = new_key()
    lines = [key_sources.wrap(key, surroundings(MFA_WRAPPING_KEY=wrapping)) for key in KEYS]
    values = wrapped(tmp_path, wrapping, "# the newest first", lines[0], "", *lines[1:])
    assert key_sources.keys_of(surroundings(**values)) == KEYS
    assert not any(key in Path(values["MFA_WRAPPED_KEYS"]).read_text(encoding="utf-8") for key in KEYS)


@pytest.mark.security(87)
@pytest.mark.parametrize("fault", ["wrong wrapping key", "no wrapping key", "damaged line", "no file"])
def test_a_source_that_fails_stops_the_start_and_names_no_key(surroundings, tmp_path, fault):
    wrapping = new_key()
    line = key_sources.wrap(KEYS[0], surroundings(MFA_WRAPPING_KEY=wrapping))
    values = wrapped(tmp_path, wrapping, line, line[:-5] if fault == "damaged line" else line)
    values["MFA_WRAPPING_KEY"] = {"wrong wrapping key": new_key(), "no wrapping key": ""}.get(fault, wrapping)
    if fault == "no file":
        values["MFA_WRAPPED_KEYS"] = str(tmp_path / "elsewhere")
    with pytest.raises(ImproperlyConfigured) as refusal:
        key_sources.keys_of(surroundings(**values))
    told = str(refusal.value)
    assert told.startswith("MFA_W")
    assert not any(hidden in told for hidden in (KEYS[0], line, wrapping))
    if fault == "damaged line":
        assert "line 2" in told


@pytest.mark.parametrize("name", ["nowhere", "config.key_sources.none", "no.such.module"])
def test_a_source_that_does_not_exist_is_named(surroundings, name):
    with pytest.raises(ImproperlyConfigured, match=name):
        key_sources.keys_of(surroundings(MFA_KEY_SOURCE=name))


def test_a_key_on_standard_input_is_wrapped_for_the_file(surroundings, monkeypatch, capsys):
    wrapping = new_key()
    surroundings(MFA_WRAPPING_KEY=wrapping)
    monkeypatch.setattr(sys, "stdin", io.StringIO(KEYS[0] + "\n"))
    assert key_sources.main() == 0
    assert Fernet(wrapping).decrypt(capsys.readouterr().out.strip()).decode() == KEYS[0]


def test_a_site_starts_with_wrapped_keys_and_makes_a_line_for_a_new_one(tmp_path):
    wrapping, key = new_key(), new_key()
    line = Fernet(wrapping).encrypt(key.encode()).decode()
    own = environment.for_production() | wrapped(tmp_path, wrapping, line)
    del own["MFA_ENCRYPTION_KEYS"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MFA_")} | own
    own["DJANGO_SETTINGS_MODULE"] = "config.settings"

    def run(*command: str, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=settings.BASE_DIR, env=own, input=given, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    program = "from django.conf import settings; print(settings.MFA_ENCRYPTION_KEYS == [input()])"
    assert run("-c", program, given=key) == "True"
    made = run("manage.py", "mfa_keys", "generate")
    assert Fernet(wrapping).decrypt(run("-m", "config.key_sources", given=made)).decode() == made
