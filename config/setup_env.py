"""Write a `.env` with fresh random keys, if there is none: `python -m config.setup_env`.

Needs the standard library alone, so that it runs before anything is installed.
"""

import base64
import secrets
import sys
from pathlib import Path

TEMPLATE = """\
# Written once by `make setup`; yours to change. Every variable is explained in docs/operations.md.
DEBUG=on
SITE_URL=http://localhost:8000
SECRET_KEY={secret_key}
MFA_ENCRYPTION_KEYS={encryption_key}
AUDIT_HMAC_KEYS={audit_key}
SIGNUP_OPEN=on
TASKS_BACKEND=django_tasks.backends.immediate.ImmediateBackend
"""


def contents() -> str:
    """A complete environment for one development machine, with keys from the operating system's generator."""
    return TEMPLATE.format(
        secret_key=secrets.token_urlsafe(48),
        encryption_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        audit_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    )


def main(path: Path) -> int:
    try:
        with path.open("x", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(contents())
    except FileExistsError:
        return 0
    sys.stdout.write(f"Wrote {path.name} with fresh keys.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent / ".env"))
