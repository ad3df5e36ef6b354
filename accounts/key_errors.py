"""What can stand in the way of work on encryption keys: for operators at a command line, each with a stable code."""

from typing import ClassVar


class KeyWorkRefused(Exception):
    """Work on keys was not begun, and nothing was changed."""

    code: ClassVar[str] = "refused"


class WrongKeys(KeyWorkRefused):
    """The configured keys are not those of this database, or the first one cannot prove that it is."""

    code = "wrong_keys"

    def __init__(self, verdict: str) -> None:
        super().__init__(
            f"The key canary is {verdict}: these are not the right encryption keys of this database. Nothing was "
            "changed. Check MFA_ENCRYPTION_KEYS; manage.py mfa_keys status says which keys the rows need."
        )


class WrongOrder(KeyWorkRefused):
    """A key that was primary later stands behind the primary: everything would go back under the older one."""

    code = "wrong_order"

    def __init__(self, primary: str, newer: list[str]) -> None:
        super().__init__(
            f"The first key, {primary}, is older than {', '.join(newer)}: MFA_ENCRYPTION_KEYS is in the wrong order. "
            "Put the newest key first, or say --backwards if everything is to go back under the older one."
        )


class KeyStillNeeded(KeyWorkRefused):
    """A key cannot go while it seals, or while a row needs it."""

    code = "key_still_needed"


class NoSuchKey(KeyWorkRefused):
    """Neither the configuration nor the database knows a key of this id."""

    code = "no_such_key"


class ForeignSecretsClosed(KeyWorkRefused):
    """Secrets of another site open only while the setting says so."""

    code = "foreign_secrets_closed"

    def __init__(self) -> None:
        super().__init__(
            "Secrets that another site wrote are bound to nobody, so they open only while you move in. Set "
            "MFA_ADOPT_FOREIGN_SECRETS=on for this command, and take it away again afterwards."
        )


class KeyWorkFailed(Exception):
    """Work on keys broke off. What was done is done; running it again does the rest."""

    code: ClassVar[str] = "broke_off"

    def __init__(self, reason: str) -> None:
        super().__init__(f"It broke off: {reason}. What was done is done; run the same command again for the rest.")
        self.reason = reason
