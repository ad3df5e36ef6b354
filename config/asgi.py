"""The site under an ASGI server."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from config.handlers import asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = asgi_application()

from django.conf import settings  # noqa: E402

from accounts import at_start, canary  # noqa: E402  (their models need the applications loaded)
from audit.at_start import tell_of_signing_key  # noqa: E402

tell_of_signing_key()
at_start.tell_of_keys()  # system checks do not run under a web server
canary.verify_at_start()  # last, because it leaves no connection behind

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

NO_BODY: Message = {"type": "http.request", "body": b"", "more_body": False}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Django, which reads a whole body before its first middleware: here it never gets more than the limit.

    What is over the limit is not read on; `RequestLimitsMiddleware` finds the note in the scope and says 413.
    """
    if scope["type"] == "http":
        receive = _Limited(scope, receive)
    await django_application(scope, receive, send)


class _Limited:
    """Hands on a body of at most REQUEST_BODY_LIMIT bytes, else an empty one and then nothing more."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.left: int = settings.REQUEST_BODY_LIMIT
        self.ended = False
        self.scope["gatehouse.too_large"] = self._stated_length() > self.left

    async def __call__(self) -> Message:
        if self.ended:  # Django waits for a disconnect, and stops waiting when it has answered
            await asyncio.get_running_loop().create_future()
        if not self.scope["gatehouse.too_large"]:
            message = await self.receive()
            self.left -= len(message.get("body", b""))
            if self.left >= 0:
                return message
        self.scope["gatehouse.too_large"] = self.ended = True
        return dict(NO_BODY)

    def _stated_length(self) -> int:
        for name, value in self.scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value[:20])
        return 0
