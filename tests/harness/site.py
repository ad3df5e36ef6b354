"""The site as it is operated: gunicorn in a process of its own, with an environment of its own."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.servers import free_port, stop, wait_until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30  # seconds


class Site:
    """A running site; `get` and `post` ask it as a browser in another process would."""

    def __init__(self, surroundings: dict[str, str]) -> None:
        self.port = free_port()
        own = {"DJANGO_SETTINGS_MODULE": "config.settings", "SITE_URL": f"http://localhost:{self.port}"}
        self.surroundings = {**os.environ, **surroundings, **own}
        self.process: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> str:
        """Run a management command; returns what it wrote, and fails with it."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.surroundings,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self, output: Any = subprocess.DEVNULL) -> None:
        """Start two threads' worth of it, and wait until it answers; logs go to `output`."""
        command = [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn", "--threads", "2"]
        self.process = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{self.port}", "config.wsgi"],
            cwd=ROOT,
            env=self.surroundings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        wait_until(self.answers, self.process)

    def answers(self) -> bool:
        """Whether /healthz is well."""
        try:
            return self.ask("GET", "/healthz")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        given = {"Host": f"localhost:{self.port}", "Accept": "application/json", **headers}
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self) -> None:
        """End it as an operator would."""
        if self.process is not None:
            stop(self.process)


@contextmanager
def running(surroundings: dict[str, str], output: Any = subprocess.DEVNULL) -> Iterator[Site]:
    """A migrated, running site."""
    site = Site(surroundings)
    try:
        site.manage("migrate", "--verbosity", "0")
        site.start(output)
        yield site
    finally:
        site.stop()
