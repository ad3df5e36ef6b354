"""Fernet tokens by the thousand: a rotation seals a batch in one pass of AES instead of one for each.

A token is `0x80 ‖ time ‖ IV ‖ AES-128-CBC ‖ HMAC-SHA-256` (https://github.com/fernet/spec). The library sets up cipher,
padding and MAC anew for each of them. In one pass, a block of random bytes goes in front of every secret; what it is
encrypted to is as random as it is, and unforeseeable: that is the token's IV (NIST SP 800-38A, appendix C).

Opening is the library's alone, and nothing that was sealed here is committed before the library has opened it to what
went in (`accounts.resealing`). There is no generator here, because the locals of one are not hidden from error reports
by the `sensitive_variables` of who called it.
"""

import hmac
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

VERSION: Final = b"\x80"
TIME: Final = 8  # bytes
BLOCK: Final = 16
HALF: Final = 16  # of a key: one signs, the other encrypts
PADDING: Final = [bytes([count]) * count for count in range(BLOCK + 1)]  # PKCS #7 (RFC 5652 §6.3), by its length


def sealed(key: bytes, secrets: Sequence[bytes]) -> list[str]:
    """A token of each, in their order, under a key of 32 bytes."""
    padded = [secret + PADDING[BLOCK - len(secret) % BLOCK] for secret in secrets]
    fresh = os.urandom(BLOCK * len(padded))
    stream = b"".join([fresh[BLOCK * number : BLOCK * (number + 1)] + each for number, each in enumerate(padded)])
    encryptor = Cipher(AES(key[HALF:]), CBC(os.urandom(BLOCK))).encryptor()
    cipher = encryptor.update(stream) + encryptor.finalize()
    head = VERSION + int(time.time()).to_bytes(TIME)
    made, at = [], 0
    for each in padded:
        begin, at = at, at + BLOCK + len(each)
        body = head + cipher[begin:at]
        made.append(urlsafe_b64encode(body + hmac.digest(key[:HALF], body, "sha256")).decode("ascii"))
    return made
