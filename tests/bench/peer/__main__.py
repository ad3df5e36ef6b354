"""One peer, asked to prepare or to measure: see `tests.bench.inside`."""

import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.peer.settings")
django.setup()

from django.conf import settings  # noqa: E402  (models need the settings)
from django.contrib.auth.models import User  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.test import Client  # noqa: E402

from tests.bench import inside  # noqa: E402
from tests.bench.pages import PASSWORD, PERSON, WHOAMI  # noqa: E402

NEWCOMER = "newcomer@example.com"


class Plain(inside.Scene):
    """Django alone: a password is all it asks for."""

    def make_people(self) -> None:
        User.objects.create_user("person", PERSON, PASSWORD)

    def signed_in(self) -> str:
        client = inside.browser()
        client.force_login(User.objects.get(email=PERSON))
        return str(client.session.session_key)

    def code(self) -> str:
        return ""

    def forget_codes(self) -> None:
        cache.clear()

    def enrolling_client(self) -> Client:
        raise NotImplementedError("Django has no such page.")

    def forget_secret(self) -> None:
        """There is none."""


class OneTimePasswords(Plain):
    """django-otp: the session remembers the device that was proved."""

    def signed_in(self) -> str:
        from django_otp import DEVICE_ID_SESSION_KEY
        from django_otp.plugins.otp_totp.models import TOTPDevice

        client = inside.browser()
        person = User.objects.get(email=PERSON)
        device = TOTPDevice.objects.create(user=person, name="app", confirmed=True)
        client.force_login(person)
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session.save()
        return str(session.session_key)


class Allauth(inside.Scene):
    """allauth and its MFA, with an app for one person and none for the other."""

    def make_people(self) -> None:
        from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

        for name, address in (("person", PERSON), ("newcomer", NEWCOMER)):
            person = User.objects.create_user(name, address, PASSWORD)
            person.emailaddress_set.create(email=address, verified=True, primary=True)
        TOTP.activate(User.objects.get(email=PERSON), generate_totp_secret())

    def code(self) -> str:
        from allauth.mfa.models import Authenticator
        from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

        secret = Authenticator.objects.get(user__email=PERSON, type="totp").data["secret"]
        return format_hotp_value(hotp_value(secret, int(time.time()) // 30))

    def forget_codes(self) -> None:
        cache.clear()

    def enrolling_client(self) -> Client:
        client = inside.browser()
        inside.sign_in(client, NEWCOMER, leads_to=WHOAMI)
        fields = {"password": PASSWORD, "next": WHOAMI}
        inside.expect(inside.post(client, "/accounts/reauthenticate/", **fields), 302, WHOAMI)
        return client

    def forget_secret(self) -> None:
        """allauth makes a new one whenever the page is opened."""


SCENES = {"plain": Plain, "otp": OneTimePasswords, "allauth": Allauth}
inside.main(SCENES[settings.PEER](), sys.argv[1:])
