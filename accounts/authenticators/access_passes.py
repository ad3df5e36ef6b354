"""The twelve characters of an access pass: hard to mistake for each other when read out, and kept under a slow hash.

59 random bits: no list of them is tried against a hash that takes the time of a password's, nor in five tries.
"""

import re
import secrets

from django.contrib.auth.hashers import check_password, make_password

from accounts.authenticators.recovery_codes import ALPHABET

LENGTH = 12  # 12 · log2(31) = 59.4 bits
GROUP = 4
_ENTERED = re.compile(r"[0-9A-Za-z -]{12,20}", re.ASCII)


def new_pass() -> str:
    """One pass, such as `u95a-cuuh-v9u8`."""
    symbols = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(symbols[i : i + GROUP] for i in range(0, LENGTH, GROUP))


def normalise(entered: str) -> str | None:
    """The twelve symbols of what somebody typed, in lower case; None when it cannot be a pass."""
    if not _ENTERED.fullmatch(entered):
        return None
    symbols = entered.lower().replace(" ", "").replace("-", "")
    return symbols if len(symbols) == LENGTH and set(symbols) <= set(ALPHABET) else None


def hash_of(shown: str) -> str:
    """What is stored for a pass: the hash of its symbols, as Django makes it of a password."""
    return make_password(shown.replace("-", ""))


def matches(symbols: str, hashed: str) -> bool:
    """Whether these are the symbols of a stored pass; against no pass it takes as long, and is False."""
    if hashed:
        return check_password(symbols, hashed)
    make_password(symbols)
    return False
