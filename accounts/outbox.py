"""Sending mail that is owed: each row claimed by one worker, tried again while the mail server will not have it.

A worker may die at any moment. Before the server gets the text the mail goes back to the queue when its claim
lapses, so nobody is missed; from then on it is never sent again, so nobody gets it twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from django.core.mail import EmailMultiAlternatives
from django.db.models import QuerySet
from django.utils import timezone

from accounts import mailing
from accounts.models.mail import OwedMail, is_lapsed
from audit.kinds import Kind
from audit.log import record, unit_of_work

AT_ONCE: Final = 100  # mails of one task; then it queues the next, so that other work gets its turn
CLAIM: Final = timedelta(minutes=10)
REFUSED_FOR_GOOD: Final = 3  # attempts after which an answer of 500 and more is believed

Mail = TypeVar("Mail", bound=OwedMail)
State = OwedMail.State
HELD: Final = (State.CLAIMED, State.HANDED)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait after each failed attempt (the last one over and over), and when to give up."""

    waits: tuple[timedelta, ...]
    patience: timedelta


@dataclass(frozen=True, slots=True)
class Outbox(Generic[Mail]):
    """How one kind of mail is sent. `kinds` says which event records what became of it, `facts` what that tells."""

    rows: Callable[[], "QuerySet[Mail]"]
    pace: Pace
    kinds: Mapping[str, Kind]
    facts: Callable[[Mail], dict[str, Any]] = field(default=lambda _mail: {})

    def owed(self, now: datetime) -> "QuerySet[Mail]":
        """What is due, or was left by a worker that did not come back."""
        return self.rows().filter(state=State.QUEUED, due_at__lte=now) | self.rows().filter(
            is_lapsed(now), state__in=HELD
        )

    def send_due(self, among: "QuerySet[Mail]", send: Callable[[Mail], bool]) -> tuple[int, bool]:
        """Send what is due among these rows, one after the other; how many were sent, and whether more may be due."""
        self.take_up_again(among)
        sent = 0
        for _turn in range(AT_ONCE):
            claimed = self.claim(among)
            if claimed is None:
                return sent, False
            try:
                sent += send(claimed)
            except mailing.NotReached:
                return sent, False  # the periodic work tries again
        return sent, True

    def take_up_again(self, among: "QuerySet[Mail]") -> None:
        """Put back what a worker claimed and left; what it was handing over may have arrived, and stays.

        What makes every worker fail that touches it is given up in the end, as what a server refuses is.
        """
        now = timezone.now()
        left = among.filter(is_lapsed(now))
        for mail in left.filter(state=State.CLAIMED, queued_at__lte=now - self.pace.patience):
            self.finish(mail, State.FAILED, trouble="the worker did not come back")
        left.filter(state=State.CLAIMED).update(state=State.QUEUED, claimed_until=None)
        for mail in left.filter(state=State.HANDED):
            self.finish(mail, State.UNSURE, trouble="the worker did not come back")

    def claim(self, among: "QuerySet[Mail]") -> Mail | None:
        """The next mail that is due, for this worker alone; None if there is none."""
        waiting = among.filter(state=State.QUEUED).order_by("due_at", "pk")
        while (found := waiting.filter(due_at__lte=timezone.now()).first()) is not None:
            claimed = self.rows().filter(pk=found.pk, state=State.QUEUED, due_at=found.due_at)
            until = timezone.now() + CLAIM
            if claimed.update(state=State.CLAIMED, claimed_until=until, attempts=found.attempts + 1):
                return among.get(pk=found.pk)
        return None

    def hand_over(self, mail: Mail, message: EmailMultiAlternatives) -> bool:
        """Give a claimed mail to the server, and write down what it said; whether it was sent. Raises NotReached."""
        try:
            mailing.hand_over(message, lambda: self._handed(mail))
        except mailing.Superseded:
            return False
        except mailing.Unsure as trouble:
            return self.finish(mail, State.UNSURE, trouble=str(trouble))
        except mailing.Refused as trouble:
            self._put_off(mail, str(trouble), for_good=trouble.for_good)
            return False
        except mailing.NotReached as trouble:
            self._put_off(mail, str(trouble), for_good=False)
            raise
        return self.finish(mail, State.SENT)

    def held(self, mail: Mail) -> "QuerySet[Mail]":
        """The row of a claimed mail, while it is this worker's: each claim counts one attempt more."""
        return self.rows().filter(pk=mail.pk, state__in=HELD, attempts=mail.attempts)

    def finish(self, mail: Mail, state: OwedMail.State, *, trouble: str = "") -> bool:
        """Write down what became of a mail; returns whether it was sent. What the server said is cut at 200 signs."""
        with unit_of_work():
            done = self.held(mail).update(
                state=state, claimed_until=None, finished_at=timezone.now(), trouble=trouble[:200]
            )
            if done and (kind := self.kinds.get(state)) is not None:
                person: Any = mail.person
                about = {"attempts": mail.attempts, "trouble": trouble[:200] or None, **self.facts(mail)}
                record(kind, target=person, **about)
        return bool(done) and state == State.SENT

    def _handed(self, mail: Mail) -> None:
        """Write down that the text goes out now. Raises Superseded when the claim lapsed and is another worker's."""
        if not self.held(mail).filter(state=State.CLAIMED).update(state=State.HANDED):
            raise mailing.Superseded

    def _put_off(self, mail: Mail, said: str, *, for_good: bool) -> None:
        """Try again later; give up where the server means it, and when patience is at its end."""
        now = timezone.now()
        if now - mail.queued_at >= self.pace.patience or (for_good and mail.attempts >= REFUSED_FOR_GOOD):
            self.finish(mail, State.FAILED, trouble=said)
            return
        wait = self.pace.waits[min(mail.attempts, len(self.pace.waits)) - 1]
        self.held(mail).update(state=State.QUEUED, claimed_until=None, due_at=now + wait, trouble=said[:200])
