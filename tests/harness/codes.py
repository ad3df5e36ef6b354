"""An authenticator app for tests, and the clock it looks at."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import time_machine

STEP = 30  # seconds (RFC 6238 §4.1)


class Clock:
    """The time of this process: it runs on, and `forward` jumps. The browser's own clock stays as it is."""

    def __init__(self) -> None:
        self._travel: Any = None
        self._traveller: Any = None

    def now(self) -> datetime:
        """The moment it is for the site."""
        return datetime.now(UTC)

    def forward(self, span: timedelta) -> None:
        """Jump ahead; every thread of this process sees it, the live server's too."""
        moment = self.now() + span
        if self._travel is None:
            self._travel = time_machine.travel(moment, tick=True)
            self._traveller = self._travel.start()
        else:
            self._traveller.move_to(moment)

    def restore(self) -> None:
        """Back to the time it really is."""
        if self._travel is not None:
            self._travel.stop()
            self._travel = None


class AuthenticatorApp:
    """One TOTP secret on somebody's telephone.

    The site takes each code once, ever. `code` is always one that it has not been shown: it uses the step of
    drift that the site grants, and moves the clock ahead when that is used up, so no test waits.
    """

    def __init__(self, secret: str, clock: Clock) -> None:
        self.secret = "".join(secret.split()).upper()
        self.clock = clock
        self._last_step = 0

    def code(self) -> str:
        """Six digits that the site will take, once."""
        step = max(self._current_step(), self._last_step + 1)
        if step > self._current_step() + 1:
            self.clock.forward(timedelta(seconds=(step - self._current_step()) * STEP))
        self._last_step = step
        return self._at(step)

    def same_code(self) -> str:
        """The code that `code` gave last, which the site must refuse."""
        return self._at(self._last_step)

    def stale_code(self) -> str:
        """A right code from ten minutes ago, when the clock of the telephone is that wrong."""
        return self._at(self._current_step() - 20)

    def wrong_code(self) -> str:
        """Six digits that no step near now has."""
        near = {self._at(self._current_step() + drift) for drift in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444") if code not in near)

    def _current_step(self) -> int:
        return int(self.clock.now().timestamp()) // STEP

    def _at(self, step: int) -> str:
        return pyotp.TOTP(self.secret).at(step * STEP)
