"""Fixtures of every room: what is off by default, and what a marked test gets."""

import os
import random
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.utils import translation
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import BrowserContext, Page

from config.handlers import WSGIHandler
from tests.audit.lift import triggers_lifted_for_flush  # noqa: F401
from tests.harness import browser as chromium
from tests.harness import postgres, redis
from tests.harness.codes import AuthenticatorApp, Clock
from tests.harness.selection import Selection
from tests.harness.servers import NotInstalled
from tests.harness.smtp_sink import ADDRESS, Sink

SEED = "GATEHOUSE_TEST_SEED"
LOOPBACK = ["127.0.0.1", "::1", "localhost"]
NEEDS_LOOPBACK = ("postgres", "redis", "e2e")
PLAYWRIGHT_IS_OLD = "Session-scoped fixtures defined as instance methods"  # in pytest-playwright itself

hypothesis_settings.register_profile("gatehouse", deadline=None, print_blob=True)
hypothesis_settings.load_profile("gatehouse")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Sockets off, one seed for everything random, the live server on a host that WebAuthn takes."""
    config.option.disable_socket = True
    config.option.allow_unix_socket = True
    os.environ.setdefault(SEED, str(random.SystemRandom().randrange(2**32)))
    os.environ.setdefault("DJANGO_LIVE_TEST_SERVER_ADDRESS", "localhost")
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = os.environ[SEED]
    config.addinivalue_line("filterwarnings", f"ignore:{PLAYWRIGHT_IS_OLD}:pytest.PytestRemovedIn10Warning")
    config.pluginmanager.register(Selection(), "gatehouse-selection")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What to set to see the same random choices again."""
    terminalreporter.write_line(f"seed: {SEED}={os.environ[SEED]}")


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test that needs a server reaches loopback, and nothing beyond; so does every test of a run on Redis."""
    on_redis = "redis" in settings.CACHES["default"]["BACKEND"]
    if on_redis or any(item.get_closest_marker(marker) for marker in NEEDS_LOOPBACK):
        item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half characters in what a test logged would not survive the way from a worker to its master."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts the random numbers of the run from the same place, and in English."""
    random.seed(os.environ[SEED])
    translation.activate("en")  # a request leaves its language behind in the thread


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A throwaway PostgreSQL beside the run's own database, to stop and start at will."""
    try:
        with postgres.server() as running:
            yield running
    except NotInstalled as lack:
        pytest.skip(str(lack))


@pytest.fixture(scope="session")
def postgres_url(postgres_server: postgres.Server) -> str:
    """The DATABASE_URL of a throwaway PostgreSQL."""
    return postgres_server.url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[redis.Server]:
    """A throwaway Redis beside the run's own cache, to stop and start at will."""
    try:
        with redis.server() as running:
            yield running
    except NotInstalled as lack:
        pytest.skip(str(lack))


@pytest.fixture(scope="session")
def redis_url(redis_server: redis.Server) -> str:
    """The CACHE_URL of a throwaway Redis."""
    return redis_server.url


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    """A mail server on loopback to which the site hands its mail."""
    sink = Sink()
    sink.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = ADDRESS, sink.port
    yield sink
    sink.stop(no_assert=True)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The time of this process, which a test may move ahead."""
    moving = Clock()
    yield moving
    moving.restore()


@pytest.fixture
def authenticator_app(clock: Clock) -> Callable[[str], AuthenticatorApp]:
    """Make an authenticator app of a secret, with or without the spaces it is shown with."""
    return lambda secret: AuthenticatorApp(secret, clock)


@pytest.fixture(scope="session", autouse=True)
def served_as_operated() -> Iterator[None]:
    """The live server runs our own handler alone: WhiteNoise serves the static files, headers and all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.test.testcases.WSGIHandler", WSGIHandler)
        for wrapper in ("test.testcases._MediaFilesHandler", "contrib.staticfiles.handlers.StaticFilesHandler"):
            patch.setattr(f"django.{wrapper}", lambda application: application)
        yield


@pytest.fixture
def site(live_server: Any, settings: Any) -> str:
    """The address of the running site, "http://localhost:<port>"; every setting that names it follows."""
    settings.SITE_URL = live_server.url
    settings.WEBAUTHN_ORIGINS = [live_server.url]
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    return str(live_server.url)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium; nothing is downloaded."""
    return browser_type_launch_args | {
        "executable_path": chromium.find_chromium(),
        "args": list(chromium.ARGUMENTS),
    }


@pytest.fixture
def complaints() -> Iterator[chromium.Complaints]:
    """What the browser's pages complain of; a test that leaves any unforgiven fails."""
    listening = chromium.Complaints()
    yield listening
    assert not listening.open, "The browser complained:\n" + "\n".join(listening.open)


@pytest.fixture
def new_context(
    new_context: Callable[..., BrowserContext], complaints: chromium.Complaints
) -> Callable[..., BrowserContext]:
    """Another browser window with its own cookies, listened to like the first."""

    def make(**options: Any) -> BrowserContext:
        context = new_context(**options)
        complaints.listen(context)
        return context

    return make


@pytest.fixture
def assert_accessible() -> Callable[[Page], None]:
    """Zero axe violations on a page, light and dark, at 390 and 1280 px."""
    return chromium.assert_accessible
