"""What every throwaway server shares: a free port, patience while it starts, and a clean end."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable

START_WITHIN = 30.0  # seconds
STOP_WITHIN = 15.0  # seconds


class NotInstalled(RuntimeError):
    """A program that comes from a Debian package is not on this machine."""

    def __init__(self, package: str) -> None:
        super().__init__(f"not installed: the Debian package {package}")
        self.package = package


class DidNotStart(RuntimeError):
    """A server ended, or stayed silent, before it answered."""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Return when `answers` says so; raises DidNotStart when the process ends first or takes too long."""
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if answers():
            return
        time.sleep(0.02)
    raise DidNotStart(f"{process.args!r} ended with {process.poll()}")


def stop(process: subprocess.Popen[bytes], politely: signal.Signals = signal.SIGTERM) -> None:
    """End one child by its own process id, first politely; harmless when it has ended already."""
    if process.poll() is not None:
        return
    process.send_signal(politely)
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
