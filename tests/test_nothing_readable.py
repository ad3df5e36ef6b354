"""Secrets are pushed through every flow there is, and then looked for everywhere: zero hits (security 7, 87).

What is looked for is in `tests/canaries.py`: in clear, in base32, base64, hex and URL encoding. Reports of failures,
whose frames hold every secret, have a file of their own: `tests/test_error_reports.py`.
"""

import base64
import io
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as site
from django.core import mail
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from accounts.authenticators import totp
from accounts.models import PendingEnrolment, User
from audit.models import AuditEvent
from config.logs import JSONFormatter, RequestFilter
from tests import canaries
from tests.accounts import sealed_scene
from tests.accounts.webauthn_pages import ORIGIN
from tests.canaries import Canaries
from tests.canary_walk import FIRST, SECOND, Walk, seed_in
from tests.factories import AdministratorFactory, next_code, verified_client
from tests.harness.codes import Clock

pytestmark = [pytest.mark.django_db, pytest.mark.security(7), pytest.mark.security(87)]
QUEUE = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, as the site formats it, from the lowest level on."""
    written, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JSONFormatter())
    handler.addFilter(RequestFilter())
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def walked(
    django_capture_on_commit_callbacks: Any, log: io.StringIO, clock: Clock, settings: Any
) -> tuple[Canaries, Walk, io.StringIO]:
    """The whole way, with mail and other work going through the queue of a live site."""
    known = Canaries()
    settings.TASKS, settings.WEBAUTHN_ORIGINS, settings.MFA_ADOPT_FOREIGN_SECRETS = QUEUE, [ORIGIN], True
    for name in ("MFA_ENCRYPTION_KEYS", "AUDIT_HMAC_KEYS"):
        for key in getattr(site, name):
            known.note(name, key)
    known.note("SECRET_KEY", site.SECRET_KEY)
    walk = Walk(known, django_capture_on_commit_callbacks, clock)
    walk.be_invited()
    walk.mistype_the_password()
    walk.sign_in(FIRST)
    walk.reauthenticate_by_password()
    walk.enrol()
    walk.sign_in(FIRST)
    walk.give_app_code()
    walk.sign_in(FIRST)
    walk.give_recovery_code()
    walk.wait(timedelta(days=1))
    walk.sign_in(FIRST)
    walk.give_app_code()
    walk.wait(timedelta(minutes=6))
    walk.reauthenticate_by_code()
    walk.try_a_recovery_code()
    walk.make_new_codes()
    walk.add_keys()
    walk.try_a_key()
    walk.replace_the_app()
    walk.sign_in(FIRST)
    walk.give_key()
    walk.wait(timedelta(minutes=6))
    walk.reauthenticate_by_key()
    walk.sign_in_by_passkey()
    walk.add_an_address()
    walk.say_it_was_not_me()
    walk.come_from_another_site()
    walk.forget_the_password()
    walk.be_called()
    walk.be_reset()
    walk.sign_in(SECOND)
    walk.open_the_link()
    walk.enrol()
    walk.be_reset()
    walk.sign_in(SECOND)
    walk.give_a_pass()
    walk.enrol()
    return known, walk, log


def test_the_way_was_gone(walked: tuple[Canaries, Walk, io.StringIO]) -> None:
    """Else nothing would be found because nothing happened."""
    known, _walk, log = walked
    kinds = set(AuditEvent.objects.values_list("kind", flat=True))
    assert kinds >= {
        "invitation:accepted",
        "authenticator:added",
        "second_factor:accepted",
        "recovery_codes:used",
        "password:reset",
        "caller_check:started",
        "mfa:reset",
        "enrolment_link:used",
        "access_pass:used",
        "authenticator:replaced",
        "recovery_codes:viewed",
        "recovery_codes:downloaded",
        "person:email_verified",
        "notice:disowned",
        "authenticator:adopted",
    }
    assert {name: len(secrets) for name, secrets in known.known.items() if name.startswith(("seed", "recovery"))} == {
        "seed of an app": 4,
        "seed of another site": 1,
        "recovery code": 40,
    }
    assert ways("second_factor:accepted") == {"totp", "recovery_code", "webauthn"}
    assert ways("reauthentication:accepted") == {"password", "totp", "webauthn"}
    assert ways("drill:passed") == {"recovery_code", "webauthn"}
    assert AuditEvent.objects.filter(kind="sign_in:completed", payload__methods=["webauthn"]).exists()
    done = DBTaskResult.objects.values_list("task_path", "status")
    assert set(done) == {
        (f"accounts.{task}", TaskResultStatus.SUCCESSFUL)
        for task in ("notices.deliver", "flows.password_reset.mail_link", "flows.caller_checks.deliver")
    }
    assert log.getvalue()


def ways(kind: str) -> set[str]:
    """By which methods this happened."""
    return set(AuditEvent.objects.filter(kind=kind).values_list("payload__method", flat=True))


def test_no_table_no_cache_no_log_and_no_dump_shows_a_secret(walked: tuple[Canaries, Walk, io.StringIO]) -> None:
    known, walk, log = walked
    places = [
        *canaries.tables(),
        ("the cache", canaries.cached()),
        ("the log", log.getvalue()),
        ("mfa_keys adopt", walk.said.getvalue()),
    ]
    found = {place: names for place, text in [*places, ("dumpdata", canaries.dumped())] if (names := known.found(text))}
    assert found == {}


@pytest.mark.security(86)
def test_what_was_sealed_on_the_way_stands_where_a_change_of_key_finds_it(
    walked: tuple[Canaries, Walk, io.StringIO],
) -> None:
    found = sealed_scene.where_sealed()
    assert found and found <= sealed_scene.registered()


def test_no_mail_brings_another_secret_than_its_own(walked: tuple[Canaries, Walk, io.StringIO]) -> None:
    known, *_rest = walked
    found = {}
    for message in mail.outbox:
        body = message.body + "".join(str(part[0]) for part in message.alternatives)
        if names := known.found_in_mail(message.subject, body):
            found[message.subject] = names
    assert found == {} and mail.outbox


def test_no_page_of_the_admin_shows_a_secret(walked: tuple[Canaries, Walk, io.StringIO]) -> None:
    known, walk, _log = walked
    User.objects.filter(pk=walk.administrator.pk).update(is_superuser=True)
    root = verified_client(AdministratorFactory(is_superuser=True))
    pages = dict(canaries.admin_pages(root))
    assert {url: names for url, text in pages.items() if (names := known.found(text))} == {}
    assert len(pages) > 50


def test_a_failure_tells_neither_its_page_nor_the_log(
    walked: tuple[Canaries, Walk, io.StringIO], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    known, walk, log = walked
    settings.DEBUG = False

    def fail(secret: str, code: str, now: datetime) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(totp, "matching_step", fail)  # where the frames above hold the opened secret
    walk.sign_in(SECOND)
    walk.client.raise_request_exception = False
    code = known.note("code in a failure", next_code(walk.secret))
    answer = walk.client.post(reverse("mfa_authenticate"), {"method": "totp", "code": code})
    assert answer.status_code == 500
    assert "a fault of ours" in log.getvalue()
    assert known.found(answer.content.decode(), but=["cookie csrftoken"]) == known.found(log.getvalue()) == []


def test_an_enrolment_that_is_left_is_purged(
    walked: tuple[Canaries, Walk, io.StringIO],
) -> None:
    known, walk, _log = walked
    walk.be_reset()
    walk.sign_in(SECOND)
    walk.give_a_pass()
    page = walk.client.get(reverse("mfa_activate_totp")).content.decode()
    known.note("seed left behind", seed_in(page))
    assert PendingEnrolment.objects.count() == 1
    assert [table for table, text in canaries.tables() if known.found(text)] == []
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=False):
        call_command("purge_expired")
    assert not PendingEnrolment.objects.exists()


SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PHRASE = "the canary's nest / 42"
ENCODINGS = [base64.b64encode, base64.urlsafe_b64encode, base64.b32encode]


@pytest.mark.parametrize(
    "said",
    [
        SEED,
        SEED.lower(),
        "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",
        "jbsw-y3dp-ehpk-3pxp-jbsw-y3dp-ehpk-3pxp",
        "SkJTV1kzRFBFSFBLM1BYUEpCU1dZM0RQRUhQSzNQWFA",  # base64 of the text
        base64.b64encode(base64.b32decode(SEED)).decode().rstrip("="),
        base64.b32encode(SEED.encode()).decode().rstrip("="),
        SEED.encode().hex(),
        "48656c6c6f21deadbeef48656c6c6f21deadbeef",
        "48656C6C6F21DEADBEEF48656C6C6F21DEADBEEF",
    ],
)
def test_a_secret_is_found_in_every_spelling(said: str) -> None:
    """The search itself finds what is there: clear, small, in groups, base32 and base64 and hex of text and bytes."""
    known = Canaries()
    known.note("seed", SEED)
    assert known.found(f"<td>{said}</td>") == ["seed"]
    assert known.found(f"<td>{said[: len(said) // 2 - 1]}</td>") == []


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("raw", [False, True])
def test_a_secret_is_found_wherever_it_begins_in_something_encoded(raw: bool, encode: Callable[[bytes], bytes]) -> None:
    known = Canaries()
    known.note("seed", SEED)
    data = base64.b32decode(SEED) if raw else SEED.encode()
    for before in range(15):
        for after in range(15):
            stream = encode(b"{" * before + data + b"}" * after).decode()
            assert known.found(stream) == ["seed"], (before, after)


@pytest.mark.parametrize(
    "said",
    [
        PHRASE,
        "the%20canary%27s%20nest%20%2F%2042",
        "the+canary%27s+nest+%2f+42",
        "the canary&#x27;s nest / 42",
        "THE CANARY'S NEST / 42",
        base64.b64encode(b'{"password": "' + PHRASE.encode() + b'"}').decode(),
    ],
)
def test_a_password_is_found_in_an_address_and_a_page(said: str) -> None:
    known = Canaries()
    known.note("password", PHRASE)
    assert known.found(f"?next=/&password={said}&more=") == ["password"]
    assert known.found("?next=/&password=the%20canary") == []


CODE = "482913"


@pytest.mark.parametrize(
    "said",
    [
        "code=482913&trust=on",
        "{'code': '482913'}",
        "Your code is 482913.",
        "482 913",
        "482-913",
        base64.b64encode(CODE.encode()).decode(),
        base64.b32encode(CODE.encode()).decode(),
        CODE.encode().hex(),
    ],
)
def test_a_short_code_is_found_as_a_word_of_its_own(said: str) -> None:
    known = Canaries()
    known.note("code", CODE)
    assert known.found(f"<td>{said}</td>") == ["code"]


@pytest.mark.parametrize(
    "said",
    [
        "14829134",
        "09:42:07.482913+00:00",
        "482913.5",
        "3f482913-0000",
        "a_482913",
        "id-482913",
        "xx" + CODE.encode().hex(),
    ],
)
def test_a_short_code_is_not_found_by_accident(said: str) -> None:
    known = Canaries()
    known.note("code", CODE)
    assert known.found(f"<td>{said}</td>") == []
