"""Recovery codes: 118 random bits each, in groups people can type, kept as digests.

Enough bits that a plain SHA-256 is safe to store (NIST SP 800-63B-4 §3.1.2.2: ≥ 112 bits) and one indexed
look-up finds the code: no slow hash, no trial. docs/adr/0003 says why eight digits are too few.
"""

import hashlib
import re
import secrets

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # 31 characters that are hard to mistake for each other
LENGTH = 24  # 24 · log2(31) = 118.9 bits
GROUP = 4
_ENTERED = re.compile(r"[0-9A-Za-z -]{24,64}", re.ASCII)
_FOREIGN = re.compile(r"[0-9a-z]{6,40}", re.ASCII)


def new_code() -> str:
    """One code, such as `u95a-cuuh-v9u8-mtyd-7k2p-xw3q`."""
    symbols = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(symbols[i : i + GROUP] for i in range(0, LENGTH, GROUP))


def normalise(entered: str) -> str | None:
    """The 24 symbols of what somebody typed, in lower case; None when it cannot be a code."""
    if not _ENTERED.fullmatch(entered):
        return None
    symbols = entered.lower().replace(" ", "").replace("-", "")
    return symbols if len(symbols) == LENGTH and set(symbols) <= set(ALPHABET) else None


def normalise_foreign(entered: str) -> str | None:
    """What somebody typed of a code that another site made, in lower case; None when it cannot be one."""
    symbols = entered.lower().replace(" ", "").replace("-", "")
    return symbols if _FOREIGN.fullmatch(symbols) else None


def weak_digest_of(symbols: str, salt: bytes) -> str:
    """What is stored for a code of another site: scrypt, because its few bits can be searched (26.6 of eight digits).

    About 40 ms and 16 MB; `salt` is the id of the set, so that one hash is compared with all its codes.
    """
    return hashlib.scrypt(symbols.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32).hex()


def digest_of(symbols: str) -> str:
    """What is stored for a code: SHA-256 of its normalised symbols, in hex."""
    return hashlib.sha256(symbols.encode()).hexdigest()
