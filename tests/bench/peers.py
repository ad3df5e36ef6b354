"""The throwaway environment that the peers live in: made on first use, kept while the pins are the same."""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).with_name("requirements.txt")
HOME = ROOT / "var" / "bench"


def python() -> Path:
    """The peers' interpreter. Installs them first when the pins, or our own Python, changed."""
    wanted = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    place = HOME / f"peers-{wanted}"
    interpreter = place / "bin" / "python"
    if not (place / "complete").is_file():
        for old in HOME.glob("peers-*"):
            shutil.rmtree(old)
        venv.create(place, with_pip=True)
        _install(interpreter)
        (place / "complete").touch()
    return interpreter


def _install(interpreter: Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    subprocess.run([interpreter, "-m", "pip", "install", *options, "-r", PINS], check=True)
