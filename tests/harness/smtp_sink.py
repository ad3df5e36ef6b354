"""A mail server on loopback that keeps what it gets, and refuses, stalls or hangs up where a test wants it to."""

import asyncio
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

ADDRESS = "127.0.0.1"


class Kept:
    """What arrived, in order. `refusals` are answers by address; `seconds` is how long each text is thought over."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}
        self.seconds = 0.0
        self.slow_at_address = 0.0
        self.on_message: Callable[[], None] = lambda: None
        self.lock = threading.Lock()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        await asyncio.sleep(self.slow_at_address)
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message: Any = message_from_bytes(envelope.content, policy=policy.default)
        with self.lock:
            self.messages.append(message)
        self.on_message()
        await asyncio.sleep(self.seconds)
        return "250 queued"

    @property
    def addresses(self) -> list[str]:
        """To whom each message was, in order."""
        return [str(message["To"]) for message in self.messages]


class Sink(Controller):
    """`with`-less: `start()` and `stop()`; `port` is known after the start, and kept for the next."""

    def __init__(self) -> None:
        self.kept = Kept()
        super().__init__(self.kept, hostname=ADDRESS, port=0)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
