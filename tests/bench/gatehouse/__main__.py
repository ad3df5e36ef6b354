"""Our side, asked to prepare or to measure: see `tests.bench.inside`."""

import os
import resource
import sys
import time
import timeit
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import chain, islice
from typing import NoReturn

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.gatehouse.settings")
django.setup()

from django.conf import settings  # noqa: E402  (models need the settings)
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import keyring  # noqa: E402
from accounts.authenticators import totp  # noqa: E402
from accounts.flows.verification import totp_context  # noqa: E402
from accounts.models import Binding, PendingEnrolment, Session, Tenant, User  # noqa: E402
from accounts.session_store import TOUCH_EVERY, SessionStore  # noqa: E402
from audit.selections import Format  # noqa: E402
from policies import enforcement  # noqa: E402
from policies.document import default_document  # noqa: E402
from policies.facts import situation  # noqa: E402
from policies.flows.publish import rules_if_published  # noqa: E402
from policies.rollout import trial  # noqa: E402
from policies.rollout.simulation import Forecast, sign_in  # noqa: E402
from policies.terms import Rules  # noqa: E402
from tests.bench import crowd, inside, site_pages  # noqa: E402
from tests.bench.gatehouse import event_pages, events, keys, record  # noqa: E402
from tests.bench.pages import PASSWORD, PERSON, WHOAMI  # noqa: E402
from tests.factories import TenantFactory, UserFactory, enrol_totp, live_binding  # noqa: E402

NEWCOMER = "newcomer@example.com"
REQUESTS = 50


class Gatehouse(inside.Scene):
    """The default tenant, whose policy demands a second factor of everybody."""

    def make_people(self) -> None:
        enrol_totp(UserFactory(email=PERSON, password=PASSWORD))
        UserFactory(email=NEWCOMER, password=PASSWORD)

    def code(self) -> str:
        binding = live_binding(User.objects.get(email=PERSON))
        secret = keyring.unseal(binding.authenticator.data["secret"], totp_context(binding))
        return totp.code_at(secret, totp.step_at(timezone.now()))

    def forget_codes(self) -> None:
        Binding.objects.filter(person__email=PERSON).update(last_counter=0)

    def enrolling_client(self) -> Client:
        client = inside.browser()
        inside.sign_in(client, NEWCOMER, leads_to="")
        return client

    def forget_secret(self) -> None:
        PendingEnrolment.objects.all().delete()

    def decision(self, count: int) -> inside.Answer:
        """Microseconds of the decision on the hot path, for a session that holds a grant."""
        session = SessionStore(self.signed_in())
        person, now = session.person, timezone.now()
        assert person is not None and enforcement.holds_grant(session, person, now)
        timer = timeit.Timer(lambda: enforcement.holds_grant(session, person, now), timer=time.process_time)
        runs = timer.repeat(number=count, repeat=7)
        return {"microseconds": [seconds / count * 1e6 for seconds in runs]}

    def writes(self) -> inside.Answer:
        """Statements of ordinary requests: what they write, and what they write when last-seen is old."""
        client = inside.browser()
        client.cookies[settings.SESSION_COOKIE_NAME] = self.signed_in()
        recent = _statements_of(client)
        Session.objects.update(last_seen_at=timezone.now() - TOUCH_EVERY - timedelta(seconds=1))
        stale = _statements_of(client)
        return {"requests": REQUESTS, "statements": len(recent), "writes": _writes(recent), "touches": _writes(stale)}

    def trial(self, count: int) -> inside.Answer:
        """Seconds that a policy takes to be tried over a tenant of `count` people, and microseconds for each of them.

        In batches, as it is done, and one at a time, as the gate would judge them.
        """
        tenant = TenantFactory()
        crowd.gather(tenant, count)
        rounds = [(_microseconds(_in_batches(tenant), 2000), _microseconds(_one_by_one(tenant), 300)) for _ in range(5)]
        batched, one_by_one = zip(*rounds, strict=True)
        seconds = _microseconds(_in_batches(tenant), count) * count / 1e6
        return {"seconds": seconds, "batched": batched, "one_by_one": one_by_one}

    def site(self, count: int) -> inside.Answer:
        """Milliseconds of the pages about the people of a site that has so many."""
        return site_pages.measure(count)

    def recount(self) -> inside.Answer:
        """Seconds that `check_enrolment_state` takes, and the most megabytes before and after."""
        before, start = _megabytes(), time.perf_counter()
        call_command("check_enrolment_state", stdout=sys.stderr)
        return {"seconds": time.perf_counter() - start, "before": before, "after": _megabytes()}

    def secrets(self, count: int) -> inside.Answer:
        """People with apps, whose secrets are sealed anew in what follows."""
        keys.make(count)
        return {}

    def rates(self) -> inside.Answer:
        """Rows a second of every way to seal them anew, and what it takes of memory."""
        return keys.rates()

    def sign_in_beside(self, count: int) -> inside.Answer:
        """Milliseconds of a sign-in's p95, without and beside a rotation."""
        self.signed_in()  # templates compiled, caches filled
        return keys.sign_ins((self.at_the_door, self.walk), count)

    def turn(self) -> NoReturn:
        """A rotation that others have beside them, until they end it."""
        keys.turn()

    def openings(self) -> inside.Answer:
        """Seconds of CPU of opening secrets, by one key and by one of five."""
        return keys.openings()

    def record_table(self) -> inside.Answer:
        """Where events are inserted plainly."""
        record.prepare()
        return {}

    def record_rates(self) -> inside.Answer:
        """Events a second that eight writers record, in many tenants and in one, and that they insert plainly."""
        return record.rates()

    def record_fill(self, count: int) -> inside.Answer:
        """Events to be verified and exported."""
        events.fill(count)
        return {}

    def record_verified(self) -> inside.Answer:
        """Events a second of `audit_verify`, and what it takes of memory."""
        return record.verified()

    def record_hashed(self) -> inside.Answer:
        """The same of reading every event as one text and hashing that."""
        return record.read_and_hashed()

    def record_exported(self) -> inside.Answer:
        """The same of `audit_export_chain`."""
        return record.exported()

    def record_as_json_lines(self) -> inside.Answer:
        """The same of an export by filter, as JSON Lines."""
        return record.selected(Format.JSON_LINES)

    def record_as_csv(self) -> inside.Answer:
        """And as CSV."""
        return record.selected(Format.CSV)

    def record_pages(self) -> inside.Answer:
        """Milliseconds and statements of every question that the list of events can be asked."""
        return event_pages.measure()

    def record_in_sign_ins(self, count: int) -> inside.Answer:
        """Milliseconds of sign-ins that are recorded, and of some that are not."""
        return record.sign_ins((self.at_the_door, self.walk), count)


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _in_batches(tenant: Tenant) -> Iterator[trial.Trial]:
    now = timezone.now()
    return chain.from_iterable(trial.people_tried(tenant.policy, _stricter(tenant), now))


def _one_by_one(tenant: Tenant) -> Iterator[tuple[Forecast, Forecast]]:
    now, stricter = timezone.now(), _stricter(tenant)
    for person in User.objects.filter(tenant=tenant).order_by("pk").iterator():
        found = situation(person)
        yield sign_in(found.rules, found.facts, now), sign_in(stricter, found.facts, now)


def _stricter(tenant: Tenant) -> Rules:
    document = default_document() | {"strength": {"administrator": "phishing_resistant"}, "grace_days": 0}
    return rules_if_published(tenant.policy, document, enabled=True, now=timezone.now())


def _microseconds(judged: Iterable[object], count: int) -> float:
    """For each of the first `count`, or of all where there are fewer."""
    start = time.perf_counter()
    done = sum(1 for _ in islice(judged, count))
    return (time.perf_counter() - start) / done * 1e6


def _statements_of(client: Client) -> list[str]:
    with CaptureQueriesContext(connection) as found:
        for _ in range(REQUESTS):
            inside.expect(client.get(WHOAMI), 200)
    return [query["sql"] for query in found.captured_queries]


def _writes(statements: list[str]) -> int:
    return sum(not statement.startswith("SELECT") for statement in statements)


inside.main(Gatehouse(), sys.argv[1:])
