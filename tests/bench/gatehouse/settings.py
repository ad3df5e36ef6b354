"""The shipped settings; what is evened out is the same on the peers.

No password hash and no manifest of static files.
"""

from config.settings import *  # noqa: F403
from config.settings import BASE_DIR, STORAGES

ROOT_URLCONF = "tests.bench.gatehouse.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # costs nothing, on either side
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
STATIC_ROOT = BASE_DIR / "var" / "bench" / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
