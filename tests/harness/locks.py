"""Whether the lock files are in step with `pyproject.toml`: `python -m tests.harness.locks`.

Needs no network: every declared requirement must be in its lock, with a hash and in a version it allows, and
what both locks name they must name in the same version. `make lock` mends it.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; [^\\]+)? \\$")


def main() -> int:
    """0 when they are in step; else says what is not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    faults = faults_of(project, _pins("requirements.lock"), _pins("requirements-dev.lock"))
    for fault in faults:
        sys.stderr.write(f"{fault}; run `make lock`\n")
    return 1 if faults else 0


def faults_of(project: dict[str, Any], runtime: dict[str, str], dev: dict[str, str]) -> list[str]:
    """What is missing, too old or at odds; `runtime` and `dev` are name → version of the two locks."""
    declared = project["project"]["dependencies"]
    tools = project["dependency-groups"]["dev"]
    return [
        *_unmet(declared, runtime, "requirements.lock"),
        *_unmet([*declared, *tools], dev, "requirements-dev.lock"),
        *(
            f"{name} is {version} in requirements.lock and {dev.get(name, 'absent')} in requirements-dev.lock"
            for name, version in runtime.items()
            if dev.get(name) != version
        ),
    ]


def _unmet(declared: list[str], pins: dict[str, str], lock: str) -> list[str]:
    faults = []
    for requirement in map(Requirement, declared):
        version = pins.get(canonicalize_name(requirement.name))
        if version is None:
            faults.append(f"{requirement.name} is not in {lock}")
        elif not requirement.specifier.contains(version, prereleases=True):
            faults.append(f"{lock} has {requirement.name} {version}, which {requirement.specifier} excludes")
    return faults


def _pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    matches = (PINNED.match(line) for line in lines)
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


if __name__ == "__main__":
    sys.exit(main())
