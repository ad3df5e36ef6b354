"""What a web process says about the record as it starts. It never stops a start."""

import logging

from audit.checks import signing_key_in_web_process

logger = logging.getLogger(__name__)


def tell_of_signing_key() -> None:
    """Log as critical that this process, which answers the world, could sign a record written anew."""
    for found in signing_key_in_web_process():
        if not found.is_silenced():
            logger.critical("%s: %s %s", found.id, found.msg, found.hint)
