"""The site under a WSGI server: `gunicorn config.wsgi`."""

import os

from config.handlers import wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = wsgi_application()

from accounts import at_start, canary  # noqa: E402  (their models need the applications loaded)
from audit.at_start import tell_of_signing_key  # noqa: E402

tell_of_signing_key()
at_start.tell_of_keys()  # system checks do not run under a web server
canary.verify_at_start()  # last, because it leaves no connection behind
