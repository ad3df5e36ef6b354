"""What an organisation asks of keys, with authenticators of the browser's own: their makers' word gets through."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from fido2 import cbor
from fido2.utils import websafe_decode
from playwright.sync_api import Page, Request, Route, expect

from accounts.models import WebAuthnCredential
from tests.attestation_authority import Maker, pin
from tests.e2e.walk import button, choose, events, save_codes, sign_in
from tests.factories import TenantFactory, UserFactory
from tests.harness.browser import SecurityKey, U2FKey

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True), pytest.mark.security(41)]


def leaf_of(request: Request) -> x509.Certificate:
    """The certificate of the statement that the browser is about to send."""
    answer = json.loads(request.post_data_json["credential"])
    whole = cbor.decode(websafe_decode(answer["response"]["attestationObject"]))
    return x509.load_der_x509_certificate(whole["attStmt"]["x5c"][0])


@pytest.mark.parametrize(("kind", "statement"), [(SecurityKey, "packed"), (U2FKey, "fido-u2f")])
def test_a_key_is_attested_through_the_browser_once_its_maker_is_pinned(
    page: Page, kind: Any, statement: str, settings: Any, tmp_path: Path, assert_accessible: Any
):
    settings.WEBAUTHN_ATTESTATION_ROOTS = str(tmp_path)
    Maker().pin(tmp_path)
    person = UserFactory(tenant=TenantFactory(rules={"attestation": "direct"}))

    def pin_and_go_on(route: Route) -> None:
        """Chromium's keys are their own makers, each time another one, so it is pinned on the way."""
        if route.request.method == "POST":
            pin(tmp_path, leaf_of(route.request))
        route.continue_()

    sign_in(page, person)
    with kind(page):
        choose(page, "Security key")
        expect(page.get_by_text("It has to prove who made it.")).to_be_visible()
        page.get_by_label("Name").fill("Blue key")
        button(page, "Register key").click()
        expect(page.get_by_text("does not know the maker of this key")).to_be_visible()
        assert_accessible(page)
        page.route("**/accounts/2fa/webauthn/add/**", pin_and_go_on)
        button(page, "Register key").click()
        save_codes(page)
    credential = WebAuthnCredential.objects.get(binding__person=person)
    assert (credential.attestation, credential.attested) == (statement, True)
    assert "authenticator:refused" in events(person)
