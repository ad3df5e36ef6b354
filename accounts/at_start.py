"""What a process says about its encryption keys as it starts: the system checks of them, in its log.

System checks do not run under a web server, and a terminal that a worker writes to is often nobody's. The rules stand
in `accounts.checks`; here they are only told, each with its command, and nothing stops a start.
"""

import logging
from concurrent.futures import ThreadPoolExecutor

from django.core.checks import ERROR, run_checks
from django.db import DEFAULT_DB_ALIAS, connections

from accounts.checks import ENCRYPTION_KEYS

logger = logging.getLogger(__name__)


def tell_of_keys() -> None:
    """Log what is wrong with the keys: errors as critical, warnings as warnings; also what only the database knows.

    Works in a thread of its own, because servers import the application inside an event loop.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="key-checks") as start:
        start.submit(_tell_and_disconnect).result()


def _tell_and_disconnect() -> None:
    try:
        _tell()
    finally:
        connections.close_all()


def _tell() -> None:
    for found in run_checks(tags=[ENCRYPTION_KEYS], databases=[DEFAULT_DB_ALIAS]):
        if not found.is_silenced():
            level = logging.CRITICAL if found.level >= ERROR else logging.WARNING
            logger.log(level, "%s: %s %s", found.id, found.msg, found.hint)
