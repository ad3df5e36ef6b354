"""One person's way through every flow of the site, on which each secret that comes up is noted as a canary."""

import io
import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings as site
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from accounts.authenticators import totp
from accounts.flows import access_passes, caller_checks, invitations, people
from accounts.flows.caller_checks import Side
from accounts.models import User
from tests.accounts import acts_scene, admission_scene
from tests.accounts.test_adoption import allauth_codes, moved
from tests.accounts.webauthn_pages import ORIGIN, options_of
from tests.canaries import Canaries
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, next_code
from tests.harness.codes import Clock
from tests.soft_authenticator import SoftKey, synced_passkey

COOKIES = (site.SESSION_COOKIE_NAME, site.CSRF_COOKIE_NAME, site.BROWSER_COOKIE_NAME)
FIRST, SECOND = "the canary sings at dawn", "the canary sleeps at noon"
WORKER: dict[str, Any] = {
    "queue_names": ["*"],
    "interval": 0,
    "batch": True,
    "backend_name": "default",
    "startup_delay": False,
    "max_tasks": None,
    "worker_id": "walk",
    "excluded_queue_names": [],
}


class Walk:
    """The person, their browser, and what they hold. `captured` runs what waits for a commit."""

    def __init__(self, known: Canaries, captured: Callable[..., AbstractContextManager[Any]], clock: Clock) -> None:
        self.known, self.captured, self.clock = known, captured, clock
        self.tenant = TenantFactory(rules={"trusted_browser_days": 7, "passkey_login": True})
        self.administrator = AdministratorFactory(tenant=self.tenant)
        self.key, self.passkey = SoftKey(), synced_passkey()
        self.person = people.add(
            email="canary@example.com",
            name="Canary",
            tenant=self.tenant,
            role="user",
            actor=self.administrator,
        )
        self.client = Client(HTTP_HOST="localhost")

    # -- steps -------------------------------------------------------------------------------------------------

    def be_invited(self) -> None:
        with self.committed():
            invitations.invite(self.person, actor=self.administrator)
        link = self.link("invitation", "Welcome")
        self.post(link, {"password1": self.password(FIRST), "password2": FIRST})

    def enrol(self) -> None:
        self.keep_the_codes(self.bind_app("mfa_activate_totp"))

    def replace_the_app(self) -> None:
        self.bind_app("mfa_replace_totp")

    def make_new_codes(self) -> None:
        self.keep_the_codes(self.post(reverse("mfa_generate_recovery_codes"), {}))

    def sign_in(self, password: str, person: User | None = None) -> None:
        self.client = Client(HTTP_HOST="localhost")
        self.post(reverse("account_login"), {"login": (person or self.person).email, "password": password})

    def wait(self, span: timedelta) -> None:
        self.clock.forward(span)

    def mistype_the_password(self) -> None:
        wrong = self.known.note("wrong password", "0wrong-wrong-wrong")
        self.post(reverse("account_login"), {"login": self.person.email, "password": wrong})

    def give_app_code(self) -> None:
        self.post(reverse("mfa_authenticate"), {"method": "totp", "code": "000000"})
        code = self.known.note("code of an app", next_code(self.secret))
        self.post(reverse("mfa_authenticate"), {"method": "totp", "code": code, "trust": "on"})

    def give_recovery_code(self) -> None:
        self.post(reverse("mfa_authenticate"), {"method": "recovery_code", "code": self.codes[0]})

    def reauthenticate_by_password(self) -> None:
        self.post(reverse("mfa_reauthenticate"), {"method": "password", "password": FIRST})

    def reauthenticate_by_code(self) -> None:
        code = self.known.note("code of an app", next_code(self.secret))
        self.post(reverse("mfa_reauthenticate"), {"method": "totp", "code": code})

    def try_a_recovery_code(self) -> None:
        wrong = self.known.note("wrong recovery code", "wr2n-gwr3-ngwr-4ngw-r5ng-wr6n")
        for code in (wrong, self.codes[1]):
            self.post(reverse("mfa_drill"), {"method": "recovery_code", "code": code})

    def add_keys(self) -> None:
        for key, which in ((self.key, ""), (self.passkey, "?passkey=1")):
            url = reverse("mfa_add_webauthn") + which
            answer = key.create(options_of(self.client.get(url)), ORIGIN)
            self.post(url, {"credential": json.dumps(answer), "name": "Blue key"})

    def try_a_key(self) -> None:
        self.touch("mfa_drill")

    def give_key(self) -> None:
        self.touch("mfa_authenticate")

    def reauthenticate_by_key(self) -> None:
        self.touch("mfa_reauthenticate")

    def sign_in_by_passkey(self) -> None:
        self.client = Client(HTTP_HOST="localhost")
        self.answer("mfa_login_webauthn", self.passkey, self.client.get(reverse("mfa_login_webauthn")).json())

    def add_an_address(self) -> None:
        self.post(reverse("account_email"), {"action_add": "", "email": "nest@example.com"})
        self.post(self.link("address confirmation", "Confirm your email"), {})

    def say_it_was_not_me(self) -> None:
        link = self.link("link of a notice", "A sign-in method was added", "not-me")
        self.client = Client(HTTP_HOST="localhost")
        self.client.get(link)
        self.post(link, {})

    def come_from_another_site(self) -> None:
        """Somebody else, whose app and codes lay there in clear, is taken over and signs in with one of each."""
        seed = self.known.note("seed of another site", secrets.token_hex(40))
        data = {"seed": seed, "used_mask": 0b1111111100}
        app = self.known.note("app of another site", totp.new_secret())
        person = moved("totp", {"secret": app}, UserFactory(tenant=self.tenant, password=self.password(FIRST)))
        moved("recovery_codes", data, person)
        codes = [self.known.note("code of another site", code) for code in allauth_codes(data)]
        self.said = io.StringIO()
        with self.committed():
            call_command("mfa_keys", "adopt", stdout=self.said, stderr=self.said)
        for method, code in (("totp", next_code(app)), ("recovery_code", codes[0])):
            self.sign_in(FIRST, person)
            code = self.known.note("code of another site", code)
            self.post(reverse("mfa_authenticate"), {"method": method, "code": code})

    def forget_the_password(self) -> None:
        with self.committed():
            self.post(reverse("account_reset_password"), {"email": self.person.email})
        link = self.link("password reset", "password")
        self.post(link, {"password1": self.password(SECOND), "password2": SECOND})

    def be_called(self) -> None:
        with self.committed():
            check = caller_checks.start(self.person, actor=self.administrator, ticket="T-1")
            caller_checks.mail_codes(check, actor=self.administrator)
        for side in Side:
            code = caller_checks.code_of(check, side, timezone.now())
            self.known.note("code of a call", code, mailed="codes for the call")
        caller_checks.recognise_agent(check, self.person, caller_checks.code_of(check, Side.AGENT, timezone.now()))

    def be_reset(self) -> None:
        with self.committed():
            acts_scene.reset(self.person, actor=self.administrator)

    def open_the_link(self) -> None:
        token = self.known.note("enrolment link", admission_scene.token_in_mail(), mailed="")
        self.known.where["enrolment link"] = ("Set up your two-step verification again", "set up", "Set up")
        self.client.get(reverse("accounts_enrolment_link", args=[token]))
        self.post(reverse("mfa_enrolment_link"), {})

    def give_a_pass(self) -> None:
        held = admission_scene.issued(self.person, self.administrator)
        session = admission_scene.fresh(self.administrator)
        shown = access_passes.show(held, actor=self.administrator, session=session)
        self.known.note("access pass", shown)
        self.post(reverse("mfa_enrolment_guarded"), {"code": "WRONG-PASS-XX"})
        self.post(reverse("mfa_enrolment_guarded"), {"code": shown})

    # -- what they share ---------------------------------------------------------------------------------------

    @contextmanager
    def committed(self) -> Iterator[None]:
        """What the block asks for is done as on a live site: by a worker, from the queue in the database."""
        with self.captured(execute=True):
            yield
        worker = Worker(**WORKER)
        while waiting := list(DBTaskResult.objects.ready()):
            with self.captured(execute=True):
                for task in waiting:
                    task.claim(worker.worker_id)
                    worker.run_task(task)

    def bind_app(self, name: str) -> Any:
        """Set up the app that this page shows; returns the answer to its code."""
        page = self.client.get(reverse(name)).content.decode()
        self.secret = self.known.note("seed of an app", seed_in(page))
        code = self.known.note("code of an app", totp.code_at(self.secret, totp.step_at(timezone.now())))
        return self.post(reverse(name), {"code": code})

    def keep_the_codes(self, answer: Any) -> None:
        """Note what the page shows, have it shown again, download it, and say that it is saved."""
        shown = answer.content.decode()
        self.codes = list(dict.fromkeys(re.findall(r'name="codes" value="([^"]+)"', shown)))
        assert len(self.codes) == 10, shown
        for each in self.codes:
            self.known.note("recovery code", each)
        self.post(reverse("mfa_view_recovery_codes"), {"codes": self.codes})
        self.post(reverse("mfa_download_recovery_codes"), {"codes": self.codes})
        self.post(reverse("mfa_view_recovery_codes"), {"saved": "on"})

    def touch(self, page: str) -> None:
        """Answer what this page asks of a key."""
        self.answer(page, self.key, options_of(self.client.get(reverse(page), {"method": "webauthn"})))

    def answer(self, page: str, key: SoftKey, options: dict[str, Any]) -> None:
        said = key.get(options, ORIGIN)
        self.known.note("signature of a key", said["response"]["signature"])
        self.post(reverse(page), {"method": "webauthn", "credential": json.dumps(said)})

    def post(self, url: str, data: dict[str, Any]) -> Any:
        with self.committed():
            answer = self.client.post(url, data)
        for name, cookie in self.client.cookies.items():
            if name in COOKIES and cookie.value:
                self.known.note(f"cookie {name}", cookie.value)
        return answer

    def password(self, words: str) -> str:
        return self.known.note("password", words)

    def link(self, name: str, subject: str, page: str = "") -> str:
        """The path of the newest mailed link; its token is a secret everywhere but in that mail."""
        body = next(one.body for one in reversed(mail.outbox) if subject in one.subject)
        path = re.search(rf"https?://[^/]+(/accounts/{page}\S+)", body).group(1)  # type: ignore[union-attr]
        self.known.note(name, path.rstrip("/").rpartition("/")[2], mailed=subject)
        return path


def seed_in(page: str) -> str:
    """The seed that a page shows for an app to be set up."""
    return re.search(r'data-plain="([A-Z2-7]+)"', page).group(1)  # type: ignore[union-attr]
