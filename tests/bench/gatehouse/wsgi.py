"""Our site under gunicorn, started as `config.wsgi` starts it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.gatehouse.settings")

from config.wsgi import application

__all__ = ["application"]
