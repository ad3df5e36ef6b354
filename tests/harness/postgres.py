"""A throwaway PostgreSQL: its own data directory, port and process, gone at the end.

PostgreSQL refuses to run as root, so root starts it as the user `postgres` that the Debian package makes.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.servers import NotInstalled, free_port, stop, wait_until

SUPERUSER = "gatehouse"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=250")


class Server:
    """A running server. `stop` and `start` keep data and port, for tests in which the database goes away."""

    def __init__(self, binaries: Path, home: Path, settings: Sequence[str] = FAST) -> None:
        self.binaries = binaries
        self.home = home
        self.settings = settings
        self.data = home / "data"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The value for DATABASE_URL."""
        return f"postgres://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the data directory; a second or two."""
        command = [self.binaries / "initdb", "-D", self.data, "-U", SUPERUSER]
        options = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run([*command, *options], check=True, capture_output=True, cwd=self.home, **_identity())

    def start(self) -> None:
        """Start and wait until it answers."""
        place = ["-D", self.data, "-p", str(self.port), "-h", "127.0.0.1", "-k", self.home]
        settings = [part for setting in self.settings for part in ("-c", setting)]
        self.process = subprocess.Popen(
            [self.binaries / "postgres", *place, *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.home,
            **_identity(),
        )
        wait_until(self.answers, self.process)

    def answers(self) -> bool:
        """Whether the server takes connections."""
        command = [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, cwd=self.home).returncode == 0

    def stop(self) -> None:
        """Fast shutdown: open connections are cut."""
        if self.process is not None:
            stop(self.process, politely=signal.SIGINT)


@contextmanager
def server(*settings: str) -> Iterator[Server]:
    """A running throwaway server, `settings` beside the usual; raises NotInstalled where the programs are missing."""
    binaries = find_binaries()
    home = Path(tempfile.mkdtemp(prefix="gatehouse-postgres-"))
    running = Server(binaries, home, (*FAST, *settings))
    try:
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        running.create()
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


def find_binaries() -> Path:
    """Where `initdb` and `postgres` are: the newest Debian version, else beside what is on the path."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(versions, key=lambda path: int(path.parts[-3]), reverse=True)
    found = newest[0] if newest else shutil.which("initdb")
    if found is None or (os.geteuid() == 0 and not _has_account()):
        raise NotInstalled("postgresql")
    return Path(found).resolve().parent


def _identity() -> dict[str, Any]:
    """Arguments for a child that must not be root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _has_account() -> bool:
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return False
    return True
