"""Run a command with throwaway servers beside it.

    python -m tests.harness.run --postgres --redis -- pytest -m postgres
    python -m tests.harness.run --production -- python manage.py check --deploy

The command sees DATABASE_URL and CACHE_URL of the servers, which end with it. Where a server is not installed
the command runs all the same and is told so in GATEHOUSE_LACKS: the tests that need it are then skipped by
name, and with CI=true such a skip is a failure (`tests.harness.selection`).
"""

import argparse
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack
from types import FrameType

from tests.harness import environment, postgres, redis
from tests.harness.servers import NotInstalled


def main(arguments: list[str]) -> int:
    """Returns the exit status of the command."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _leave)
    surroundings = dict(os.environ)
    if options.production:
        surroundings |= environment.for_production()
    with ExitStack() as servers:
        if options.postgres:
            _add(servers, surroundings, "postgres", "DATABASE_URL", postgres.server())
        if options.redis:
            _add(servers, surroundings, "redis", "CACHE_URL", redis.server())
        return subprocess.run(options.command, env=surroundings, check=False).returncode


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.harness.run", description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL for DATABASE_URL")
    parser.add_argument("--redis", action="store_true", help="start a Redis for CACHE_URL")
    parser.add_argument("--production", action="store_true", help="settings of an operated site, fresh keys")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def _add(
    servers: ExitStack,
    surroundings: dict[str, str],
    part: str,
    variable: str,
    server: AbstractContextManager[postgres.Server | redis.Server],
) -> None:
    try:
        surroundings[variable] = servers.enter_context(server).url
    except NotInstalled as lack:
        lacks = surroundings.get("GATEHOUSE_LACKS", "")
        surroundings["GATEHOUSE_LACKS"] = f"{lacks};{part}={lack}".lstrip(";")
        sys.stderr.write(f"Without {part}: {lack}\n")


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
