"""What the operations page says about moving in from another site works as it stands there."""

import json
import re
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.conf import settings as site
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.authenticators import totp
from accounts.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
SECTION = "### Moving in from another Django site"


def programs() -> list[str]:
    """The blocks of Python in that section."""
    page = (Path(site.BASE_DIR) / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition(SECTION)[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.mark.security(85)
def test_people_move_in_with_password_and_app_and_sign_in(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    old_key, secret = Fernet.generate_key().decode(), totp.new_secret()
    of_the_old_site = UserFactory(email="dana@old.example")
    token = Fernet(old_key).encrypt(secret.encode()).decode()
    Authenticator.objects.create(user=of_the_old_site, type="totp", data={"secret": token}, created_at=timezone.now())
    export, take_in = programs()
    exec(export, {})  # noqa: S102 (it is our own page)
    rows = json.loads((tmp_path / "authenticators.json").read_text(encoding="utf-8"))
    rows[0] |= {"email": "Erin@new.example", "password": make_password("a phrase of the old site")}
    (tmp_path / "authenticators.json").write_text(json.dumps(rows), encoding="utf-8")
    Authenticator.objects.all().delete()

    exec(take_in, {})  # noqa: S102
    settings.MFA_ENCRYPTION_KEYS = [*settings.MFA_ENCRYPTION_KEYS, old_key]
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    call_command("mfa_keys", "adopt")
    settings.MFA_ADOPT_FOREIGN_SECRETS = False
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[:1]
    call_command("mfa_keys", "verify")

    client = Client(HTTP_HOST="localhost")
    answer = client.post(
        reverse("account_login"), {"login": "erin@new.example", "password": "a phrase of the old site"}
    )
    assert answer["Location"].startswith(reverse("mfa_authenticate"))
    code = totp.code_at(secret, totp.step_at(timezone.now()) + 1)
    client.post(reverse("mfa_authenticate"), {"method": "totp", "code": code})
    assert client.get(reverse("home")).status_code == 200
    assert User.objects.filter(email="erin@new.example", mfa_enrolled_at__isnull=False).exists()
