"""`mfa_keys generate`: a new key, and where to put it."""

from argparse import ArgumentParser
from typing import Any, Final

from cryptography.fernet import Fernet

from accounts import keyring
from accounts.management.key_commands import told

HELP: Final = "Print a new key, and where to put it. Nothing is stored, and nothing is logged."
EXAMPLES: Final = """\
  manage.py mfa_keys generate              a new key, and what to do with it
  manage.py mfa_keys generate > new.key    the key alone goes to the file, the advice to the terminal
  manage.py mfa_keys generate --json       for programs"""
PLACES: Final = {
    ".env or environment": "MFA_ENCRYPTION_KEYS=<new key>,<old keys>",
    "docker-compose.yml": "reads .env; nothing to change there",
    "secret file": "one key a line, the new one first; MFA_ENCRYPTION_KEYS_FILE=/run/secrets/mfa_keys",
}
THEN: Final = (
    "Then restart every machine, run manage.py mfa_keys rotate, and manage.py mfa_keys retire for the old key."
)


def add_arguments(parser: ArgumentParser) -> None:
    """None of its own."""


def run(answer: told.Answer, options: dict[str, Any]) -> int:
    """Always well."""
    key = Fernet.generate_key().decode()
    own_id = keyring.key_id(keyring.key_bytes(key) or b"")
    answer.tell({"key": key, "id": own_id, "where_to_put_it": PLACES, "then": THEN}, key)
    places = "\n".join(f"  {place:<21}  {words}" for place, words in PLACES.items())
    answer.advise(
        f"This is the key {own_id}. It is shown once: keep it where you keep passwords, apart from backups of the "
        f"database.\n\n{places}\n\n{THEN}"
    )
    return told.DONE
