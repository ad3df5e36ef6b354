"""The sides as processes: prepared, asked to measure themselves, and served by gunicorn."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import load, peers
from tests.harness import environment
from tests.harness.servers import DidNotStart, free_port, stop, wait_until

WORKERS = 1  # one process answers, so that its four connections cannot be shared out unevenly
THREADS = 2
MOST_SECONDS = 3 * 3600  # a million people and ten million events take their time
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Side:
    """Whose interpreter, which package, with which environment."""

    name: str
    python: Path
    package: str
    environment: dict[str, str] = field(repr=False)

    def run(self, what: str, *arguments: int) -> dict[str, Any]:
        """What `tests.bench.inside` answers. Raises CalledProcessError; the side's complaints are on stderr."""
        command = [self.python, "-m", self.package, what, *map(str, arguments)]
        told = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, env=self.environment, cwd=peers.ROOT, timeout=MOST_SECONDS
        ).stdout
        answer: dict[str, Any] = json.loads(told.splitlines()[-1])
        return answer

    @contextmanager
    def served(self, cookie: str) -> Iterator["Served"]:
        """The side under gunicorn, for a session with this cookie."""
        running = Served(free_port(), cookie)
        options = ["--bind", f"127.0.0.1:{running.port}", "--no-control-socket", "--log-level", "error"]
        options += ["--worker-class", "gthread", "--keep-alive", "60"]
        options += ["--workers", str(WORKERS), "--threads", str(THREADS)]
        running.process = subprocess.Popen(
            [self.python, "-m", "gunicorn", *options, f"{self.package}.wsgi:application"],
            env=self.environment,
            cwd=peers.ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_until(running.answers, running.process)
            yield running
        finally:
            stop(running.process)


class Served:
    """A side that is being served."""

    process: subprocess.Popen[bytes]

    def __init__(self, port: int, cookie: str) -> None:
        self.port = port
        self.cookie = cookie

    def answers(self) -> bool:
        """Whether the view answers. Raises DidNotStart when it answers wrong."""
        try:
            load.check(self.port, self.cookie)
        except ConnectionError:
            return False
        except load.WrongAnswer as wrong:
            raise DidNotStart(str(wrong)) from wrong
        return True

    def burst(self, seconds: int) -> tuple[float, float]:
        """Requests per second, and microseconds of CPU that the server spent on each (0 where it cannot be told)."""
        before = self._cpu()
        found = load.burst(self.port, self.cookie, seconds)
        return found.rate, (self._cpu() - before) / found.requests * 1e6

    def _cpu(self) -> float:
        """Seconds of CPU that the workers have spent, by the system's own account."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        if not children.is_file():
            return 0.0
        stats = [Path(f"/proc/{child}/stat").read_text() for child in children.read_text().split()]
        return sum(sum(map(int, stat.rpartition(")")[2].split()[11:13])) for stat in stats) / TICKS


def gatehouse(database: str, **more: str) -> Side:
    """Our site with fresh keys."""
    return Side("Gatehouse", Path(sys.executable), "tests.bench.gatehouse", _around(database) | more)


def two_keys() -> dict[str, str]:
    """What a site's environment has while the first key takes the place of the second."""
    name = "MFA_ENCRYPTION_KEYS"
    return {name: ",".join(environment.fresh("http://localhost:8000")[name] for _ in range(2))}


def peer(name: str, database: str) -> Side:
    """One of the peers, in their own environment."""
    return Side(name, peers.python(), "tests.bench.peer", _around(database) | {"BENCH_PEER": name})


def _around(database: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | environment.fresh("http://localhost:8000") | {"DATABASE_URL": database, "PYTHONWARNINGS": "ignore"}
