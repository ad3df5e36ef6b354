"""How gunicorn runs the site: `gunicorn --config python:config.gunicorn config.wsgi`.

WEB_CONCURRENCY sets the number of processes (gunicorn reads it itself). There is no access log: addresses in it
would carry single-use keys; what matters is in the audit record.
"""

import os
from typing import Any

LOG_LEVEL = os.environ.get("LOG_LEVEL", "INFO")
worker_class = "gthread"
threads = 4
timeout = 30  # seconds without a sign of life of the process, which threads at work do not keep from giving it
graceful_timeout = 90  # seconds to finish answers: a policy tried on very many people takes up to sixty
keepalive = 5  # seconds
control_socket_disable = True
max_requests, max_requests_jitter = 20_000, 2_000
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.logs.JSONFormatter"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"level": LOG_LEVEL, "handlers": ["stdout"]},
    "loggers": {"gunicorn.error": {"level": LOG_LEVEL, "handlers": ["stdout"], "propagate": False}},
}


def post_worker_init(worker: Any) -> None:
    """Where tasks are done at once, nobody runs a `db_worker`: then this process does the periodic work as well.

    Several may: each piece of work is leased to one of them.
    """
    from accounts import queue
    from policies.flows import periodic
    from policies.pulse import Pulse

    if not queue.is_kept():
        Pulse("periodic work", periodic.run_each, seconds=periodic.LOOK_EVERY, at_once=True).start()
