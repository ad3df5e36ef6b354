"""Where the encryption keys come from: the environment, a file, or whatever unwraps them (a KMS, a vault, a token).

`MFA_KEY_SOURCE` names a callable that takes the environment and returns Fernet keys, the primary first. It is called
once, as the settings load. It raises ImproperlyConfigured, or what its client raises, and the site does not start: its
message must name no key. `from_wrapped_file` is a whole example, without any service.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from config.environment import Environment

KeySource = Callable[[Environment], Sequence[str]]

DEFAULT: Final = "config.key_sources.from_environment"
_BETWEEN: Final = re.compile(r"[,\s]+")


@sensitive_variables()
def keys_of(env: Environment) -> list[str]:
    """The encryption keys of the site, from the source that `MFA_KEY_SOURCE` names. Raises ImproperlyConfigured."""
    name = env.str("MFA_KEY_SOURCE", default=DEFAULT)
    try:
        source: KeySource = import_string(name)
    except ImportError as error:
        raise ImproperlyConfigured(f"MFA_KEY_SOURCE: there is no {name!r}.") from error
    return list(source(env))


@sensitive_variables()
def from_environment(env: Environment) -> list[str]:
    """`MFA_ENCRYPTION_KEYS` and then `MFA_ENCRYPTION_KEY`, or the files that the same names with `_FILE` point to.

    Keys are parted by commas, spaces or lines.
    """
    listed = env.str("MFA_ENCRYPTION_KEYS", default="")
    single = env.str("MFA_ENCRYPTION_KEY", default="")
    return [key for text in (listed, single) for key in _BETWEEN.split(text.strip()) if key]


@sensitive_variables()
def from_wrapped_file(env: Environment) -> list[str]:
    """The keys in the file `MFA_WRAPPED_KEYS`, each line sealed (Fernet) under `MFA_WRAPPING_KEY`, the primary first.

    The file may lie in a repository or a backup; the wrapping key may not. Empty lines and those that begin with #
    are left out. A line is made by `manage.py mfa_keys generate | python -m config.key_sources`.
    """
    unwrap = _wrapping(env).decrypt
    keys = []
    for number, line in enumerate(_lines(Path(env.str("MFA_WRAPPED_KEYS"))), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            keys.append(unwrap(line).decode("ascii"))
        except (InvalidToken, UnicodeDecodeError):
            raise ImproperlyConfigured(f"MFA_WRAPPED_KEYS: line {number} does not open by MFA_WRAPPING_KEY.") from None
    return keys


@sensitive_variables()
def wrap(key: str, env: Environment) -> str:
    """A line for the file of `from_wrapped_file`. Raises ImproperlyConfigured without a wrapping key."""
    return _wrapping(env).encrypt(key.encode("ascii")).decode("ascii")


@sensitive_variables()
def _wrapping(env: Environment) -> Fernet:
    try:
        return Fernet(env.str("MFA_WRAPPING_KEY", default="").strip())
    except ValueError:
        raise ImproperlyConfigured("MFA_WRAPPING_KEY is not 32 bytes in base64.") from None


@sensitive_variables()
def main() -> int:
    """Wrap the key on standard input; the line for the file goes to standard output."""
    sys.stdout.write(wrap(sys.stdin.read().strip(), Environment()) + "\n")
    return 0


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ImproperlyConfigured(f"MFA_WRAPPED_KEYS cannot be read: {error.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main())
