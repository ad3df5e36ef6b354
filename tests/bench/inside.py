"""What runs inside a side's own interpreter, and how it answers: one line of JSON, the last on its output.

    python -m tests.bench.gatehouse prepare
    python -m tests.bench.peer sign_in 60

`prepare` makes the tables and the person and answers with the cookie of a signed-in session; the others
measure the CPU time of the process alone, which another busy process hardly changes.
"""

import gc
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.bench.pages import PASSWORD, PERSON, WHOAMI

WARM_UP = 10  # iterations: templates compiled, caches filled
LOGIN = "/accounts/login/"
AUTHENTICATE = "/accounts/2fa/authenticate/"
ENROL = "/accounts/2fa/totp/activate/"

Answer = dict[str, Any]


class Scene(ABC):
    """One side: how it is set up, and what its pages need that the other's do not."""

    @abstractmethod
    def make_people(self) -> None:
        """A person with an authenticator app, whose address is `PERSON`."""

    @abstractmethod
    def code(self) -> str:
        """A code of that app which is right now."""

    @abstractmethod
    def forget_codes(self) -> None:
        """Undo what keeps a code from being used twice, and what counts sign-ins; outside the clock."""

    @abstractmethod
    def enrolling_client(self) -> Client:
        """A signed-in browser that may open the page on which an app is set up."""

    @abstractmethod
    def forget_secret(self) -> None:
        """Undo what the enrolment page kept, so that the next request makes a new secret; outside the clock."""

    def prepare(self) -> Answer:
        """Tables, people, and the cookie of a session that passed the second factor."""
        call_command("migrate", verbosity=0)
        self.make_people()
        return {"cookie": f"{settings.SESSION_COOKIE_NAME}={self.signed_in()}"}

    def signed_in(self) -> str:
        """Sign in with password and code; returns the session's key."""
        client, code = self.at_the_door()
        self.walk(client, code)
        return client.cookies[settings.SESSION_COOKIE_NAME].value

    def at_the_door(self) -> tuple[Client, str]:
        """A browser that is signed out, and a code that was not used yet.

        It is known from the warm-up on: a sign-in from a new one is told by mail, which no peer does.
        """
        self.forget_codes()
        client = browser()
        client.cookies.pop(settings.SESSION_COOKIE_NAME, None)
        return client, self.code()

    def walk(self, client: Client, code: str) -> None:
        """From pressing the button to landing: password, the page it leads to, code, the view."""
        self.press(client)
        expect(client.get(AUTHENTICATE), 200)
        self.enter(client, code)
        landed = client.get(WHOAMI)
        expect(landed, 200)
        assert landed.content.decode() == PERSON

    def press(self, client: Client) -> None:
        """The POST with the password."""
        sign_in(client, PERSON, next=WHOAMI, leads_to=AUTHENTICATE)

    def enter(self, client: Client, code: str) -> None:
        """The POST with the code, as our form sends it; allauth's has no field for the method."""
        expect(post(client, AUTHENTICATE, code=code, method="totp"), 302, WHOAMI)

    def sign_in(self, count: int) -> Answer:
        """Milliseconds of each walk, and the statements of its two POSTs."""
        return {"milliseconds": cpu_of(self.walk, count, before=self.at_the_door)} | self.statements()

    def statements(self) -> Answer:
        """What the two POSTs send to the database, and how much the pages between and after add."""
        client, code = self.at_the_door()
        with CaptureQueriesContext(connection) as found:
            self.press(client)
            asked = len(found)
            client.get(AUTHENTICATE)
            shown = len(found)
            self.enter(client, code)
            entered = len(found)
            client.get(WHOAMI)
        statements = [query["sql"] for query in found.captured_queries]
        return {"statements": statements[:asked] + statements[shown:entered], "statements_with_pages": len(statements)}

    def enrolment(self, count: int) -> Answer:
        """Milliseconds of each request for the page that shows a new secret."""
        client = self.enrolling_client()

        def without_secret() -> tuple[Client]:
            self.forget_secret()
            return (client,)

        return {"milliseconds": cpu_of(_open_enrolment, count, before=without_secret)}


def _open_enrolment(client: Client) -> None:
    expect(client.get(ENROL), 200)


@cache
def browser() -> Client:
    """The one of this process, whose first request loads the middleware; on a host that every side answers for."""
    return Client(headers={"host": "localhost"})


def post(client: Client, path: str, **fields: str) -> HttpResponseBase:
    """Send a form as a browser does."""
    return client.post(path, urlencode(fields), content_type="application/x-www-form-urlencoded")


def sign_in(client: Client, address: str, *, leads_to: str, **more: str) -> None:
    """Send the form with the password."""
    expect(post(client, LOGIN, login=address, password=PASSWORD, **more), 302, leads_to)


def expect(response: HttpResponseBase, status: int, leads_to: str = "") -> None:
    """Refuse to measure anything but what was meant."""
    found = f"{response.status_code} {response.headers.get('Location', '')}"
    assert response.status_code == status and leads_to in found, f"{found} instead of {status} {leads_to}"


def cpu_of(
    step: Callable[..., None], count: int, *, before: Callable[[], tuple[Any, ...]], warm_up: int = WARM_UP
) -> list[float]:
    """Milliseconds of the process's CPU time for each of `count` runs of a step, after a warm-up.

    `before` makes the step's arguments, outside the clock.
    """
    found = []
    gc.disable()
    for _ in range(warm_up + count):
        arguments = before()
        gc.collect(0)
        start = time.process_time_ns()
        step(*arguments)
        found.append((time.process_time_ns() - start) / 1e6)
    gc.enable()
    return found[warm_up:]


def main(scene: Scene, arguments: list[str]) -> None:
    """Do what the first argument names, and print its answer."""
    what, *count = arguments
    answer = getattr(scene, what)(*map(int, count))
    print(json.dumps(answer))
