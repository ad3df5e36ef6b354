"""A throwaway Redis: in memory only, on its own port, gone at the end."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness.servers import NotInstalled, free_port, stop, wait_until


class Server:
    """A running server. `stop` and `start` keep the port, for tests in which the cache goes away."""

    def __init__(self, binary: str, home: str) -> None:
        self.binary = binary
        self.home = home
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The value for CACHE_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start and wait until it answers."""
        self.process = subprocess.Popen(
            [self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.home],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.answers, self.process)

    def answers(self) -> bool:
        """Whether the server says PONG."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """End it; what it held is lost."""
        if self.process is not None:
            stop(self.process)


@contextmanager
def server() -> Iterator[Server]:
    """A running throwaway server; raises NotInstalled where the program is missing."""
    binary = find_binary()
    home = tempfile.mkdtemp(prefix="gatehouse-redis-")
    running = Server(binary, home)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


def find_binary() -> str:
    """Redis, or its twin Valkey."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        raise NotInstalled("redis-server")
    return found
