"""The shipped settings; what is evened out is the same on the peers.

No password hash, no manifest of static files, and connections that stay open (PostgreSQL's come from our pool).
"""

from config.settings import *  # noqa: F403
from config.settings import BASE_DIR, DATABASES, STORAGES

ROOT_URLCONF = "tests.bench.gatehouse.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # costs nothing, on either side
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
if "pool" not in DATABASES["default"]["OPTIONS"]:
    DATABASES["default"]["CONN_MAX_AGE"] = None
STATIC_ROOT = BASE_DIR / "var" / "bench" / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
