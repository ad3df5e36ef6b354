"""The site under a WSGI server: `gunicorn config.wsgi`."""

import os

from config.handlers import wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = wsgi_application()

from accounts import canary  # noqa: E402  (its models need the applications loaded)

canary.verify_at_start()  # system checks do not run under a web server
