"""Somebody with an app in a tenant that trusts browsers, and the browsers they sign in with."""

from typing import Any

from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import Browser, User
from audit.models import AuditEvent
from tests.factories import PASSWORD, TenantFactory, UserFactory, enrol_totp, publish_rules
from tests.harness.codes import AuthenticatorApp, Clock

LOGIN, SECOND, HOME = reverse("account_login"), reverse("mfa_authenticate"), reverse("home")
DAYS = 30
TRUSTING = {"trusted_browser_days": DAYS, "trusted_browser_never": ["administrator"]}


class Owner:
    """A person with an app at hand; `rules` are published once it is enrolled."""

    def __init__(self, clock: Clock, *, tenant: Any = None, rules: dict[str, Any] | None = None, **fields: Any) -> None:
        self.person: User = UserFactory(tenant=tenant or TenantFactory(rules=TRUSTING), **fields)
        self.app = AuthenticatorApp(enrol_totp(self.person), clock)
        self.app.code()  # the enrolment used this one up
        if rules:
            publish_rules(self.person.tenant, **TRUSTING | rules)

    def give_password(self, client: Client, password: str = PASSWORD) -> Any:
        return client.post(LOGIN, {"login": self.person.email, "password": password})

    def give_code(self, client: Client, *, trust: bool) -> Any:
        return client.post(SECOND, {"method": "totp", "code": self.app.code()} | ({"trust": "1"} if trust else {}))

    def sign_in(self, client: Client | None = None, *, trust: bool = False) -> Client:
        """Password and code, in this browser or in one that was never used."""
        client = client or new_browser()
        assert self.give_password(client)["Location"] == SECOND
        assert self.give_code(client, trust=trust).status_code == 302
        assert client.get(HOME).status_code == 200
        return client

    def is_asked(self, client: Client, password: str = PASSWORD) -> bool:
        """Whether a new sign-in in this browser asks for the second step; nobody is signed in before it."""
        sign_out(client)
        self.give_password(client, password)
        page = client.get(HOME)
        if page.status_code == 200:
            return False
        assert page["Location"].startswith((SECOND, LOGIN)), page["Location"]
        assert client.get(SECOND).status_code == 200
        return True

    def kinds(self) -> list[str]:
        found = AuditEvent.objects.filter(target_id=str(self.person.pk), kind__startswith="browser:")
        return list(found.order_by("id").values_list("kind", flat=True))

    def browser(self) -> Browser:
        return Browser.objects.get(person=self.person)


def new_browser(token: str = "") -> Client:
    """A browser that knows nothing but perhaps this cookie."""
    client = Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    if token:
        client.cookies[settings.BROWSER_COOKIE_NAME] = token
    return client


def token_of(client: Client) -> str:
    found = client.cookies.get(settings.BROWSER_COOKIE_NAME)
    return found.value if found is not None else ""


def sign_out(client: Client) -> None:
    client.post(reverse("account_logout"))
