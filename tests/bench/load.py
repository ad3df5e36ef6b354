"""Requests over kept-alive connections on loopback, for a bounded time: by `wrk` where it is, else from here."""

import re
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.bench.pages import PERSON, WHOAMI

CONNECTIONS = 4
MOST_REQUESTS = 200_000  # of one burst, whatever the time


@dataclass(frozen=True, slots=True)
class Burst:
    """How many requests were answered in how many seconds."""

    requests: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class WrongAnswer(RuntimeError):
    """A side answered something else than the view: its figures would mean nothing."""


def burst(port: int, cookie: str, seconds: int) -> Burst:
    """Ask for the view as fast as it is answered. Raises WrongAnswer unless every side's view answers right."""
    check(port, cookie)
    found = _by_wrk(port, cookie, seconds) if shutil.which("wrk") else _from_here(port, cookie, seconds)
    check(port, cookie)
    return found


def check(port: int, cookie: str) -> None:
    """Raises WrongAnswer unless the view answers with the person's address."""
    with _Connection(port, cookie) as connection:
        connection.ask()
        head, body = connection.answer()
    if b" 200 " not in head.split(b"\r\n", 1)[0] or body != PERSON.encode():
        raise WrongAnswer(head.decode("latin-1"))


def _by_wrk(port: int, cookie: str, seconds: int) -> Burst:
    headers = ["-H", f"Cookie: {cookie}", "-H", "Host: localhost"]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", *headers]
    told = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{WHOAMI}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    ).stdout
    count = re.search(r"(\d+) requests in ", told)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    if "Non-2xx" in told or "Socket errors" in told or count is None or rate is None:
        raise WrongAnswer(told)
    return Burst(int(count[1]), int(count[1]) / float(rate[1]))


def _from_here(port: int, cookie: str, seconds: int) -> Burst:
    start = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        counts = list(pool.map(lambda _: _keep_asking(port, cookie, start + seconds), range(CONNECTIONS)))
    return Burst(sum(counts), time.monotonic() - start)


def _keep_asking(port: int, cookie: str, until: float) -> int:
    count = 0
    with _Connection(port, cookie) as connection:
        while time.monotonic() < until and count < MOST_REQUESTS // CONNECTIONS:
            connection.ask()
            connection.answer()
            count += 1
    return count


class _Connection:
    """One kept-alive connection, with as little work of our own as can be."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port = port
        self.request = f"GET {WHOAMI} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()

    def __enter__(self) -> "_Connection":
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def ask(self) -> None:
        self.socket.sendall(self.request)

    def answer(self) -> tuple[bytes, bytes]:
        """Head and body of the next response."""
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        length = re.search(rb"\r\nContent-Length: (\d+)", received[:end], re.IGNORECASE)
        if length is None:
            raise WrongAnswer(received.decode("latin-1"))
        while len(received) < end + 4 + int(length[1]):
            received += self._more()
        return received[:end], received[end + 4 :]

    def _more(self) -> bytes:
        if not (piece := self.socket.recv(65536)):
            raise WrongAnswer("the connection was closed")
        return piece
