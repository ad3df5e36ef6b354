"""The site's settings for tests: fresh keys, nothing of the developer's `.env`, cheap passwords.

DATABASE_URL and CACHE_URL are taken from the environment, so the same tests run on PostgreSQL and Redis;
without them it is a SQLite file that ends with the run, and the memory of the process.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests.harness import environment

os.environ.update(environment.for_tests())
# Playwright's loop runs in the thread of the tests
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

from config.settings import *  # noqa: F403
from config.settings import DATABASES, STORAGES

_scratch = Path(tempfile.mkdtemp(prefix="gatehouse-tests-"))
atexit.register(shutil.rmtree, _scratch, ignore_errors=True)

_database = DATABASES["default"]
if "sqlite3" in _database["ENGINE"]:
    # a file, not memory: threads see each other, and locks are the real ones
    _database["TEST"] = {"NAME": str(_scratch / "gatehouse.sqlite3")}
    _database["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = _scratch / "static"
STATIC_ROOT.mkdir()
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True  # no walk over the files for every test client
