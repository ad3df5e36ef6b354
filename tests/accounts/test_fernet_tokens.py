"""Tokens by the thousand: the library opens every one that is sealed so, to what went in."""

import base64
import os
import time

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import example, given
from hypothesis import strategies as st

from accounts import fernet_tokens

KEY = os.urandom(32)
LIBRARY = Fernet(base64.urlsafe_b64encode(KEY))


def decoded(token: str) -> bytes:
    return base64.urlsafe_b64decode(token)


@pytest.mark.security(7, 85)
@given(secrets=st.lists(st.binary(max_size=70), max_size=12))
@example(secrets=[b"x" * length for length in range(49)])
@example(secrets=[])
def test_the_library_opens_what_was_sealed_here(secrets: list[bytes]) -> None:
    sealed = fernet_tokens.sealed(KEY, secrets)
    assert [LIBRARY.decrypt(token) for token in sealed] == secrets
    assert all(abs(LIBRARY.extract_timestamp(token) - time.time()) < 60 for token in sealed)


@pytest.mark.security(7)
def test_one_secret_sealed_again_and_again_has_nothing_in_common_with_itself() -> None:
    sealed = [decoded(token) for _ in range(2) for token in fernet_tokens.sealed(KEY, [b"one and the same"] * 500)]
    blocks = [token[at : at + 16] for token in sealed for at in range(9, len(token) - 32, 16)]  # IV and ciphertext
    assert len(set(blocks)) == len(blocks) == 3000


@pytest.mark.security(7)
def test_each_iv_is_what_random_bytes_of_its_own_were_encrypted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytes] = []
    monkeypatch.setattr("os.urandom", lambda count, real=os.urandom: given.append(real(count)) or given[-1])
    sealed = [decoded(token)[9:-32] for token in fernet_tokens.sealed(KEY, [b"a", b"b" * 20, b"c"])]
    fresh, before = given
    assert len(fresh) == 3 * 16
    for number, token in enumerate(sealed):
        decryptor = Cipher(AES(KEY[16:]), CBC(before)).decryptor()
        assert decryptor.update(token[:16]) == fresh[16 * number : 16 * (number + 1)]
        before = token[-16:]
