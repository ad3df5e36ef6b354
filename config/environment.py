"""How variables are read: as django-environ does it, but a switch is on or off, and nothing else."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

ON = {"on", "true", "yes", "1"}
OFF = {"off", "false", "no", "0", ""}


class Environment(environ.FileAwareEnv):
    """NAME, or the file that NAME_FILE points to. A value that does not parse raises."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def bool(self, var: str, default: Any = environ.Env.NOTSET) -> bool:
        """A switch. django-environ reads a typing error as "off", which for some switches is the unsafe side."""
        found = self.get_value(var, cast=str, default=default)
        word = str(found).strip().lower()
        if word not in ON | OFF:
            raise ImproperlyConfigured(f"{var} must be on or off.")
        return word in ON
