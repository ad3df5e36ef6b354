"""Every setting of the site, typed and read from the environment (or `.env`).

A value that is missing or does not parse stops the start; there are no insecure fall-backs.
`docs/operations.md` lists the variables; `.env.example` shows them.
"""

from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.environment import Environment
from config.key_sources import keys_of

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
if (dotenv := BASE_DIR / ".env").is_file() and env.bool("GATEHOUSE_DOTENV", default=True):
    env.read_env(dotenv)

# the site
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
SITE_URL = env.str("SITE_URL").rstrip("/")
SITE_NAME = env.str("SITE_NAME", default="Gatehouse")
_site = urlsplit(SITE_URL)
SITE_IS_HTTPS = _site.scheme == "https"
ALLOWED_HOSTS = [_site.hostname or "", *env.list("EXTRA_HOSTS", default=[])]
CSRF_TRUSTED_ORIGINS = [SITE_URL]
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
if SITE_IS_HTTPS and TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

INSTALLED_APPS = [
    "config.apps.GatehouseAdminConfig",
    "accounts",  # before Django's own, whose changepassword it replaces
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_tasks",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "audit",
    "policies",
    "django_tasks_db",  # after ours, whose db_worker also does the periodic work
    "config.apps.SiteConfig",
]

MIDDLEWARE = [
    "audit.middleware.RequestContextMiddleware",
    "config.middleware.SecurityHeadersMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.RequestLimitsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "accounts.middleware.AuthenticationMiddleware",
    "accounts.middleware.LanguageMiddleware",
    "accounts.middleware.TimeZoneMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "policies.middleware.EnforcementMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context_processors.site",
            ],
            "builtins": ["config.templatetags.moments"],
        },
    }
]

# storage: SQLite and memory to begin with, PostgreSQL and Redis when grown up
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'gatehouse.sqlite3'}")}
_database = DATABASES["default"]
_options = _database.setdefault("OPTIONS", {})
SILENCED_SYSTEM_CHECKS: list[str] = []
if "sqlite3" in _database["ENGINE"]:
    SILENCED_SYSTEM_CHECKS += ["models.W040"]  # an index for counting in PostgreSQL has more columns than SQLite keeps
    _database["CONN_MAX_AGE"] = None  # opening the file and its pragmas cost more than a whole request
    _options |= {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _options["connect_timeout"] = 2  # seconds
    _options["pool"] = {
        "min_size": 1,
        "max_size": env.int("DATABASE_POOL_SIZE", default=8),
        "timeout": env.float("DATABASE_POOL_TIMEOUT", default=1.5),  # seconds until a request is told 503
    }
    if env.bool("DATABASE_PREPARED_STATEMENTS", default=False):  # leave off behind PgBouncer
        _options |= {"server_side_binding": True, "prepare_threshold": 2}
CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}
if "redis" in CACHES["default"]["BACKEND"]:
    CACHES["default"].setdefault("OPTIONS", {}).update(
        socket_connect_timeout=0.5, socket_timeout=0.5, retry=Retry(NoBackoff(), retries=1)
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TASKS = {"default": {"BACKEND": env.str("TASKS_BACKEND", default="django_tasks_db.DatabaseBackend")}}
DATA_UPLOAD_MAX_MEMORY_SIZE = REQUEST_BODY_LIMIT = 64 * 1024  # bytes; nothing here needs more
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

# people and sign-in
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.PasswordBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("name", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 60 * 60  # seconds
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
SIGNUP_OPEN = env.bool("SIGNUP_OPEN", default=False)
INVITATION_HOURS = 72

ACCOUNT_ADAPTER = "policies.adapters.PolicyAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_RATE_LIMITS = False  # ours are in the database: accounts.flows.throttles
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "signup": "accounts.forms.SignupForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
}

# second factors: the site's ceilings over every tenant's policy
MFA_ADAPTER = "policies.adapters.PolicyMFAAdapter"
MFA_SUPPORTED_TYPES = env.list("MFA_SUPPORTED_TYPES", default=["webauthn", "totp", "recovery_codes"])
MFA_PASSKEY_LOGIN_ENABLED = env.bool("MFA_PASSKEY_LOGIN_ENABLED", default=True)
MFA_POLICY_FLOOR = env.str("MFA_POLICY_FLOOR", default="")  # JSON: rules that no tenant may weaken
MFA_ALLOW_UNVERIFIED_EMAIL = True  # our own rule replaces allauth's: see accounts.flows.enrolment
MFA_TOTP_TOLERANCE = 1  # steps of 30 s on either side
MFA_RECOVERY_CODE_COUNT = 10
MFA_LOCK_AFTER_FAILURES = env.int("MFA_LOCK_AFTER_FAILURES", default=100)
MFA_DRILL_DAYS = env.int("MFA_DRILL_DAYS", default=180)  # until people are asked to try a spare key or code; 0: never
MFA_ENCRYPTION_KEYS = keys_of(env)
MFA_ADOPT_FOREIGN_SECRETS = env.bool("MFA_ADOPT_FOREIGN_SECRETS", default=False)

WEBAUTHN_RP_ID = env.str("WEBAUTHN_RP_ID", default=_site.hostname or "")
WEBAUTHN_RP_NAME = env.str("WEBAUTHN_RP_NAME", default=SITE_NAME)
WEBAUTHN_ORIGINS = env.list("WEBAUTHN_ORIGINS", default=[SITE_URL])
WEBAUTHN_TIMEOUT = env.int("WEBAUTHN_TIMEOUT", default=60_000)  # milliseconds
WEBAUTHN_USER_VERIFICATION = env.str("WEBAUTHN_USER_VERIFICATION", default="discouraged")
WEBAUTHN_ATTESTATION_ROOTS = env.str("WEBAUTHN_ATTESTATION_ROOTS", default="")  # a directory of PEM files

AUDIT_HMAC_KEYS = env.list("AUDIT_HMAC_KEYS", default=[])
if single_key := env.str("AUDIT_HMAC_KEY", default=""):
    AUDIT_HMAC_KEYS = [*AUDIT_HMAC_KEYS, single_key]

AUDIT_CHECKPOINT_KEY = env.str("AUDIT_CHECKPOINT_KEY", default="").strip()  # for the process that makes them alone
AUDIT_CHECKPOINT_PUBLIC_KEYS = env.list("AUDIT_CHECKPOINT_PUBLIC_KEYS", default=[])
AUDIT_CHECKPOINT_DIR = env.str("AUDIT_CHECKPOINT_DIR", default="")
AUDIT_CHECKPOINT_MAIL = env.list("AUDIT_CHECKPOINT_MAIL", default=[])
AUDIT_EXPORT_DIR = env.str("AUDIT_EXPORT_DIR", default="")  # where workers write exports that nobody waits for
AUDIT_EXPORT_AT_ONCE = env.int("AUDIT_EXPORT_AT_ONCE", default=50_000)  # events
AUDIT_LOG_STREAM = env.str("AUDIT_LOG_STREAM", default="")  # "stdout": a line for each event

# sessions and cookies
SESSION_ENGINE = "accounts.session_store"
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
SESSION_COOKIE_AGE = 24 * 60 * 60  # seconds: no session lives longer (NIST SP 800-63B-4 §2.2.3)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "config.views.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_IS_HTTPS
ENROLMENT_LINK_COOKIE_NAME = "__Host-enrolment" if SITE_IS_HTTPS else "enrolment"
BROWSER_COOKIE_NAME = "__Host-browser" if SITE_IS_HTTPS else "browser"  # see accounts.flows.browsers
BROWSER_COOKIE_AGE = 400 * 24 * 60 * 60  # seconds: the longest that browsers keep a cookie
if SITE_IS_HTTPS:
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", default=True)
    SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", default=True)

# headers
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# language, time, static files, mail, log
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
FORMAT_MODULE_PATH = "config.formats"
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = SITE_IS_HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
vars().update(env.email("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"{SITE_NAME} <no-reply@{_site.hostname}>")
DEFAULT_EXCEPTION_REPORTER = "config.error_reports.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.error_reports.NamesAlone"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.logs.JSONFormatter"}},
    "filters": {"request": {"()": "config.logs.RequestFilter"}},
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "json",
            "filters": ["request"],
        }
    },
    "root": {"handlers": ["stdout"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": []},  # not to the console as well, and never by mail
        "django_tasks": {"level": "WARNING"},
        "django.server": {"handlers": ["stdout"], "level": "WARNING", "propagate": False},
    },
}
