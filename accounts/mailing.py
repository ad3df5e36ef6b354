"""Handing one mail to the mail server, and knowing afterwards whether it took it, refused it, or may have it."""

import smtplib
from collections.abc import Callable
from email.utils import parseaddr
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

SECONDS: Final = 30  # that a mail server may take to answer


class NotReached(Exception):
    """The mail server cannot be reached, or does not let us in: the rest need not be tried now."""


class Refused(Exception):
    """The server did not take the mail; `for_good` by its own word."""

    def __init__(self, said: str, *, for_good: bool) -> None:
        super().__init__(said)
        self.for_good = for_good


class Unsure(Exception):
    """The server got the text, and its answer did not come."""


class Superseded(Exception):
    """Somebody else has the mail in hand by now; what `before_text` raises to keep the text here."""


def hand_over(mail: EmailMultiAlternatives, before_text: Callable[[], None]) -> None:
    """Give one mail to the server, saying so just before it gets the text.

    Raises NotReached, Refused, Unsure, or what `before_text` raises: then the server did not get the text.
    """
    connection = get_connection(timeout=settings.EMAIL_TIMEOUT or SECONDS)
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as trouble:
        raise NotReached(_said(trouble)) from trouble
    told = _telling(connection, before_text)
    try:
        connection.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as trouble:
        code, words = next(iter(trouble.recipients.values()))
        raise Refused(f"{code} {_text(words)}", for_good=code >= 500) from trouble
    except smtplib.SMTPResponseException as trouble:
        raise Refused(_said(trouble), for_good=trouble.smtp_code >= 500) from trouble
    except (OSError, smtplib.SMTPException) as trouble:
        if told():
            raise Unsure(_said(trouble)) from trouble
        raise NotReached(_said(trouble)) from trouble
    finally:
        _hang_up(connection)


def host() -> str:
    """The host of the sender, for the ids of mails."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"


def mark(mail: EmailMultiAlternatives, name: str) -> None:
    """Have the mail say that a program wrote it, with an id that is the same at every attempt."""
    mail.extra_headers |= {"Message-ID": f"<{name}@{host()}>", "Auto-Submitted": "auto-generated"}


def _telling(connection: Any, before_text: Callable[[], None]) -> Callable[[], bool]:
    """Call `before_text` before the text goes out: of a connection to a server at its DATA, of any other at once."""
    told: list[bool] = []

    def tell() -> None:
        before_text()
        told.append(True)

    server = getattr(connection, "connection", None)
    if not isinstance(server, smtplib.SMTP):
        tell()
        return lambda: bool(told)
    data = server.data

    def tell_and_send(content: Any) -> Any:
        tell()
        return data(content)

    server.data = tell_and_send  # type: ignore[assignment, method-assign]
    return lambda: bool(told)


def _hang_up(connection: Any) -> None:
    try:
        connection.close()
    except (OSError, smtplib.SMTPException):
        return  # the server was gone already, and what became of the mail is known


def _said(trouble: OSError | smtplib.SMTPException) -> str:
    if isinstance(trouble, smtplib.SMTPResponseException):
        return f"{trouble.smtp_code} {_text(trouble.smtp_error)}"
    return " ".join(str(trouble).split()) or type(trouble).__name__


def _text(words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
