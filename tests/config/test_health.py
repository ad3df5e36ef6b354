"""/healthz says that the process lives, /readyz that somebody could sign in; neither says more."""

import json
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from django.core.cache import cache
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from accounts import canary
from tests.conftest import LOOPBACK
from tests.harness import environment, postgres, redis
from tests.harness.site import Site, running

UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
BEHIND = {"worker": "ok", "periodic": "late"}  # tasks are done at once; nobody did the periodic work
ALL_WELL = {"status": "ready", "database": "ok", "migrations": "ok", "keys": "ok", "cache": "ok"} | BEHIND
NO_WORKER = {"worker": "late", "periodic": "late"}
UNKNOWN = dict.fromkeys(BEHIND, "unknown")
WITHOUT_DATABASE = (
    ALL_WELL | UNKNOWN | dict.fromkeys(("database", "migrations", "keys"), "failed") | {"status": "not ready"}
)
BUDGET = 2.0  # seconds, in which an outage is answered; printed, not asserted


def ready(client: Client) -> tuple[int, dict[str, Any]]:
    """What /readyz answers."""
    response = client.get("/readyz")
    return response.status_code, response.json()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a method raise."""

    def break_it(owner: Any, name: str, error: Exception) -> None:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise error

        monkeypatch.setattr(owner, name, fail)

    return break_it


def test_health_is_a_matter_of_the_process_alone(client: Client) -> None:
    response = client.get("/healthz")  # a query would fail: this test has no database
    assert (response.status_code, response.json()) == (HTTPStatus.OK, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_health_is_only_read(client: Client, path: str, method: str) -> None:
    assert getattr(client, method)(path).status_code == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.django_db
def test_a_site_with_everything_is_ready(client: Client) -> None:
    assert ready(client) == (HTTPStatus.OK, ALL_WELL)


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("password of gatehouse"), InterfaceError("10.0.0.7"), OSError("x")])
def test_without_database_it_is_not_and_says_nothing_more(
    client: Client, broken: Callable[..., None], error: Exception
) -> None:
    broken(connection, "cursor", error)
    assert ready(client) == (UNAVAILABLE, WITHOUT_DATABASE)


@pytest.mark.django_db
def test_with_a_migration_to_come_it_is_not(client: Client) -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="accounts").order_by("name").last()
    assert newest is not None
    newest.delete()
    assert ready(client) == (UNAVAILABLE, ALL_WELL | UNKNOWN | {"status": "not ready", "migrations": "failed"})


@pytest.mark.django_db
def test_with_the_wrong_key_it_is_not(client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "_last", None)
    settings.MFA_ENCRYPTION_KEYS = [environment.fresh("")["MFA_ENCRYPTION_KEYS"]]
    assert ready(client) == (UNAVAILABLE, ALL_WELL | {"status": "not ready", "keys": "failed"})


@pytest.mark.django_db
@pytest.mark.parametrize("error", [redis_client.ConnectionError("cache:6379"), TimeoutError("slow")])
def test_without_cache_it_is_not(client: Client, broken: Callable[..., None], error: Exception) -> None:
    broken(cache, "set", error)
    assert ready(client) == (UNAVAILABLE, ALL_WELL | {"status": "not ready", "cache": "failed"})


@pytest.mark.django_db
def test_a_cache_that_forgets_at_once_is_none(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "get", lambda key: None)
    assert ready(client)[1]["cache"] == "failed"


def ask(site: Site, path: str) -> tuple[int, dict[str, Any]]:
    """One request to a site in another process, and how long it took on the captured output."""
    began = time.monotonic()
    status, body = site.ask("GET", path)
    print(f"{path}: {status} after {time.monotonic() - began:.2f} s, of at most {BUDGET} s")
    return status, json.loads(body)


@pytest.fixture
def surroundings() -> dict[str, str]:
    """A site of its own: memory and SQLite unless a test says otherwise."""
    return environment.fresh("http://localhost") | {
        "CACHE_URL": "locmemcache://",
        "DATABASE_POOL_TIMEOUT": "1.5",
        "TASKS_BACKEND": "django_tasks_db.DatabaseBackend",
    }


@pytest.fixture
def own_postgres() -> Iterator[postgres.Server]:
    """A server that may be stopped without hurting other tests."""
    with postgres.server() as server:
        yield server


@pytest.mark.postgres
@pytest.mark.security(27)
def test_the_database_goes_and_comes_back(surroundings: dict[str, str], own_postgres: postgres.Server) -> None:
    with running(surroundings | {"DATABASE_URL": own_postgres.url}) as site:
        assert ask(site, "/readyz") == (HTTPStatus.OK, ALL_WELL | NO_WORKER)
        own_postgres.stop()
        assert ask(site, "/readyz") == (UNAVAILABLE, WITHOUT_DATABASE)
        assert ask(site, "/healthz")[0] == HTTPStatus.OK
        status, document = ask_with_session(site)
        assert (status, document["code"]) == (UNAVAILABLE, "unavailable")
        own_postgres.start()
        wait_for_ready(site)


def ask_with_session(site: Site) -> tuple[int, dict[str, Any]]:
    """A request that needs the database, because it brings a session."""
    status, body = site.ask("GET", "/", Cookie="sessionid=abcdefghijklmnopqrstuvwxyz012345")
    return status, json.loads(body)


def wait_for_ready(site: Site) -> None:
    """Until /readyz is well again; the pool reconnects by itself."""
    for _attempt in range(50):
        if ask(site, "/readyz")[0] == HTTPStatus.OK:
            return
        time.sleep(0.2)
    pytest.fail("the site did not find its database again")


@pytest.mark.redis
@pytest.mark.security(27)
def test_the_cache_goes_and_comes_back(surroundings: dict[str, str], tmp_path: Path) -> None:
    surroundings |= {"DATABASE_URL": f"sqlite:///{tmp_path}/gatehouse.sqlite3"}
    with redis.server() as server, running(surroundings | {"CACHE_URL": server.url}) as site:
        assert ask(site, "/readyz") == (HTTPStatus.OK, ALL_WELL | NO_WORKER)
        server.stop()
        expected = ALL_WELL | NO_WORKER | {"status": "not ready", "cache": "failed"}
        assert ask(site, "/readyz") == (UNAVAILABLE, expected)
        assert site.ask("GET", "/", Accept="application/json")[0] == HTTPStatus.UNAUTHORIZED
        server.start()
        wait_for_ready(site)


@pytest.mark.redis
@pytest.mark.django_db
def test_a_site_on_redis_is_ready(client: Client) -> None:
    assert ready(client) == (HTTPStatus.OK, ALL_WELL)


@pytest.mark.allow_hosts(LOOPBACK)
def test_where_tasks_are_done_at_once_the_web_process_does_the_periodic_work(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    at_once = {"TASKS_BACKEND": "django_tasks.backends.immediate.ImmediateBackend"}
    with running(surroundings | at_once | {"DATABASE_URL": f"sqlite:///{tmp_path}/gatehouse.sqlite3"}) as site:
        for _attempt in range(100):
            status, document = ask(site, "/readyz")
            if document["periodic"] == "ok":
                break
            time.sleep(0.2)
        assert (status, document) == (HTTPStatus.OK, ALL_WELL | {"periodic": "ok"})
