"""People in every state, who sign in for real: through the pages, with all that they own at hand."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from fido2.utils import websafe_encode

from accounts.assurance import Method
from accounts.models import Binding, Role, Tenant, User
from policies.rollout.simulation import Ending
from tests.accounts.test_views_webauthn import ORIGIN, enrol_key, options_of
from tests.factories import PASSWORD, UserFactory, enrol_recovery_codes, enrol_totp
from tests.harness.codes import AuthenticatorApp, Clock
from tests.policies.publishing_scene import session_in
from tests.soft_authenticator import SoftKey, synced_passkey, u2f_key

LOGIN, SECOND = reverse("account_login"), reverse("mfa_authenticate")
ENROL, HOME = reverse("mfa_enrol"), reverse("home")
GROUP = "Sales"


@dataclass
class Somebody:
    """A person of a test, with what they have in their pockets."""

    person: User
    app: AuthenticatorApp | None = None
    codes: list[str] = field(default_factory=list)
    keys: list[SoftKey] = field(default_factory=list)

    def at_hand(self) -> list[tuple[Method, Callable[[Client], dict[str, str]]]]:
        """What a person could answer with, each once, by the method that the page names."""
        found: list[tuple[Method, Callable[[Client], dict[str, str]]]] = []
        found += [(Method.WEBAUTHN, lambda browser, key=key: touched(browser, key)) for key in self.keys]
        if (app := self.app) is not None:
            found.append((Method.TOTP, lambda browser: {"method": "totp", "code": app.code()}))
        if self.codes:
            found.append((Method.RECOVERY_CODE, lambda browser: {"method": "recovery_code", "code": self.codes.pop()}))
        return found


def touched(browser: Client, key: SoftKey) -> dict[str, str]:
    """The form that the page's script sends when this key is touched; empty where the page does not ask for it."""
    options = options_of(browser.get(SECOND, {"method": "webauthn"}))
    allowed = {one["id"] for one in options.get("publicKey", options)["allowCredentials"]}
    chosen = next((raw for raw in key.credentials if websafe_encode(raw) in allowed), None)
    if chosen is None:
        return {}
    return {"method": "webauthn", "credential": json.dumps(key.get(options, ORIGIN, credential_id=chosen))}


def sign_in(somebody: Somebody) -> Ending:
    """How a sign-in really ends for somebody who answers all that they can."""
    browser, asked, at_hand = Client(HTTP_HOST="localhost"), False, somebody.at_hand()
    response: Any = browser.post(LOGIN, {"login": somebody.person.email, "password": PASSWORD})
    while response.status_code in (200, 302, 429):
        response = browser.get(HOME)
        if response.status_code == 200:
            in_grace = session_in(browser).row.grant_deadline is not None
            return Ending.IN_GRACE if in_grace else Ending.ASKED if asked else Ending.PASSES
        if response.status_code == 403:
            break
        if response["Location"].startswith(ENROL):
            return Ending.MUST_ENROL
        page = browser.get(SECOND)
        offered = [choice.method for choice in page.context["methods"] if choice.usable] or [page.context["method"]]
        answer = next((one for method in offered for one in at_hand if one[0] is method), None)
        if answer is None:
            break
        at_hand.remove(answer)
        if form := answer[1](browser):
            response, asked = browser.post(SECOND, form), True
    return Ending.DENIED


class Cast:
    """The people of one tenant, by what they are; made while its policy lets everybody in."""

    def __init__(self, tenant: Tenant, clock: Clock) -> None:
        self.tenant = tenant
        self.clock = clock
        self.people: dict[str, Somebody] = {}

    def add(
        self, name: str, *, app: bool = False, codes: bool = False, keys: tuple[SoftKey, ...] = (), **fields: Any
    ) -> User:
        """Somebody who owns these; `fields` are the person's own."""
        known_since = fields.pop("known_since", timezone.now() - timedelta(days=60))
        changes = {
            name: fields.pop(name)
            for name in ("first_sign_in_at", "grace_closed_at", "grace_extended_to")
            if name in fields
        }
        person = UserFactory(tenant=self.tenant, **fields)
        somebody = self.people[name] = Somebody(person)
        if app:
            somebody.app = AuthenticatorApp(enrol_totp(person), self.clock)
            somebody.app.code()  # the enrolment used this one up
        if codes:
            somebody.codes = enrol_recovery_codes(person)
        for key in keys:
            enrol_key(person, key)
            somebody.keys.append(key)
        User.objects.filter(pk=person.pk).update(known_since=known_since, **changes)
        person.refresh_from_db()
        return person

    def everybody(self) -> dict[str, Somebody]:
        """One in each state that a policy could make a difference to."""
        now, group = timezone.now(), Group.objects.get_or_create(name=GROUP)[0]
        self.add("nothing")
        self.add("nothing, new here", known_since=now)
        self.add("nothing, new here, came a week ago", known_since=now, first_sign_in_at=now - timedelta(days=7))
        self.add("nothing, with an extension", grace_extended_to=now + timedelta(days=40))
        self.add("nothing, after a reset", grace_closed_at=now)
        self.add("app", app=True)
        self.add("app and codes", app=True, codes=True)
        self.add("touch-only key", keys=(u2f_key(),))
        self.add("key that asks", keys=(SoftKey(),))
        self.add("two keys, one of them synced", keys=(synced_passkey(), SoftKey()))
        self.add("synced passkey", keys=(synced_passkey(),))
        self.add("key and app", app=True, keys=(SoftKey(),))
        self.lock(self.add("locked app", app=True))
        self.lock(self.add("locked app and codes", app=True, codes=True))
        self.unbind(self.add("codes alone", app=True, codes=True))
        self.add("group member").groups.add(group)
        self.add("group member with an app", app=True).groups.add(group)
        for owned in ({}, {"app": True}, {"keys": (SoftKey(),)}):
            self.add(f"administrator with {', '.join(owned) or 'nothing'}", role=Role.ADMINISTRATOR, **owned)
        self.add("emergencies", app=True, keys=(SoftKey(),))
        self.add("excluded")
        self.add("excluded with an app", app=True)
        return self.people

    def lock(self, person: User) -> None:
        Binding.objects.filter(person=person, kind=Binding.Kind.TOTP).update(locked_at=timezone.now())

    def unbind(self, person: User) -> None:
        """The app is gone, and the codes are all that is left."""
        Binding.objects.filter(person=person, kind=Binding.Kind.TOTP).update(unbound_at=timezone.now())

    def ids(self, *names: str) -> list[str]:
        return [str(self.people[name].person.pk) for name in names]
