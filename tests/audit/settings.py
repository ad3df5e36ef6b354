"""Just enough to test the audit room alone: `pytest tests/audit --ds=tests.audit.settings`."""

import base64
import os
import tempfile
from pathlib import Path

import environ

SECRET_KEY = "only for tests"
USE_TZ = True
TRUSTED_PROXY_COUNT = 0
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.admin",
    "audit",
]
SILENCED_SYSTEM_CHECKS = ["admin.E403", "admin.E408", "admin.E409", "admin.E410"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUDIT_HMAC_KEYS = [base64.urlsafe_b64encode(os.urandom(32)).decode()]
_directory = Path(tempfile.mkdtemp())
DATABASES = {"default": environ.Env().db("DATABASE_URL", default=f"sqlite:///{_directory}/audit.sqlite3")}
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    DATABASES["default"]["TEST"] = {"NAME": f"{_directory}/test.sqlite3"}
else:
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 60}}
