"""Every page renders, says what it must, and keeps the rules that a browser under our policy enforces."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.template import engines
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation

from accounts.forms import CodeForm, CredentialForm
from config.templatetags import pages
from tests.config.sample_pages import ALLAUTH_MAIL, CODES, PAGES, TENANT, TENANT_MAIL, Coloured, Passwords

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.*"))
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
SPRITE = set(re.findall(r'<symbol id="([a-z_]+)"', (ROOT / "static" / "icons.svg").read_text()))
VOID = {"meta", "link", "input", "br", "hr", "img"}


class Read(HTMLParser):
    """A page as tags with their attributes, and its title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["title"]:
            self.title += data

    def all(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def render(name: str, **more: Any) -> str:
    template, user, context = PAGES[name]
    request = RequestFactory().get("/")
    request.user = user
    return render_to_string(template, {**context, **more}, request)


every_page = pytest.mark.parametrize("name", PAGES)


@every_page
def test_a_page_is_whole_and_says_what_it_is(name: str) -> None:
    page = Read(render(name))
    assert not page.open
    assert page.all("html")[0] == {"lang": "en", "dir": "ltr"}
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.title.strip() and not page.title.startswith("Error")
    ids = [attributes["id"] for _tag, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@every_page
def test_a_page_brings_no_script_or_style_of_its_own(name: str) -> None:
    page = Read(render(name))
    assert not page.all("style")
    for script in page.all("script"):
        assert script["type"] == "application/json" or script.keys() == {"type", "src"}
    for _tag, attributes in page.tags:
        assert not [one for one in attributes if one == "style" or one.startswith("on")]
        assert not [
            value for value in attributes.values() if value.strip().lower().startswith(("data:", "javascript:"))
        ]


@every_page
def test_every_control_has_a_label_and_every_button_a_type(name: str) -> None:
    page = Read(render(name))
    labelled = {label.get("for") for label in page.all("label")}
    for control in page.all("input", "select", "textarea"):
        if control.get("type") != "hidden" and "aria-hidden" not in control:
            assert control["id"] in labelled
            assert not control.get("placeholder")
    assert all(button["type"] in ("submit", "button") for button in page.all("button"))


@every_page
def test_every_icon_is_in_the_sprite(name: str) -> None:
    for use in Read(render(name)).all("use"):
        assert use["href"].partition("#")[2] in SPRITE


@every_page
def test_names_cannot_become_markup(name: str) -> None:
    text = render(name)
    assert not re.search(r"<b>\"|Söhne <b>|<i>Set|App <u>|<script>", text)


@every_page
def test_a_page_turns_round_for_arabic(name: str) -> None:
    with translation.override("ar"):
        assert Read(render(name)).all("html")[0] == {"lang": "ar", "dir": "rtl"}


@pytest.mark.parametrize("number", ["400", "500", "503"])
def test_a_problem_page_needs_nothing(number: str) -> None:
    page = Read(render_to_string(f"{number}.html"))
    assert not page.all("footer") and len(page.all("h1")) == 1


def refused(form_class: type[forms.Form], **errors: str) -> forms.Form:
    form = form_class(data={name: "typed" for name in form_class.base_fields})
    form.full_clean()
    for name, error in errors.items():
        form.add_error(name, error)
    return form


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("verify app", refused(CodeForm, code="Wrong <b>.")),
        ("app", refused(CodeForm, code="Wrong.")),
        ("sign up", refused(Passwords, password1="Too short.", password2="Not the same.")),
    ],
)
def test_an_error_is_in_the_title_at_its_field_and_has_the_focus(name: str, form: forms.Form) -> None:
    page = Read(render(name, form=form))
    first = next(iter(form.errors))
    control = next(one for one in page.all("input") if one.get("name") == first)
    assert page.title.startswith("Error: ")
    assert control["aria-invalid"] == "true" and "autofocus" in control
    assert [one.get("name") for one in page.all("input") if "autofocus" in one] == [first]
    described = control["aria-describedby"].split()
    assert described[-1] == f"id_{first}_error"
    assert set(described) <= {attributes.get("id") for _tag, attributes in page.tags}


def test_a_refused_credential_is_said_although_its_field_is_hidden() -> None:
    text = render("verify key", form=refused(CredentialForm, credential="The key was not known."))
    assert "The key was not known." in text


def test_six_digits_are_one_field_that_phones_fill_in() -> None:
    control = next(one for one in Read(render("verify app")).all("input") if one.get("name") == "code")
    assert (control["type"], control["inputmode"], control["autocomplete"]) == ("text", "numeric", "one-time-code")
    assert control["dir"] == "ltr" and "autofocus" in control
    assert control["aria-describedby"] == "id_code_helptext"


def test_sign_in_offers_passkeys_in_the_address_field_and_names_no_tenant() -> None:
    text = render("sign in")
    login = next(one for one in Read(text).all("input") if one.get("name") == "login")
    assert login["autocomplete"] == "username webauthn"
    assert settings.SITE_NAME in text and "Müller" not in text


def test_a_method_that_is_locked_shows_no_form_for_it() -> None:
    assert not [one for one in Read(render("verify locked")).all("input") if one.get("name") == "code"]


def test_the_page_with_the_codes_sends_them_along_and_wants_them_saved() -> None:
    inputs = Read(render("codes")).all("input")
    assert [one["value"] for one in inputs if one.get("name") == "codes"] == CODES["codes"] * 2
    assert "required" in next(one for one in inputs if one.get("name") == "saved")


def test_the_last_days_of_grace_are_counted_in_words() -> None:
    assert "1 day left." in render("security in grace")
    assert "9 days left." in render("choose in grace")
    assert "This is the last day." in render("choose in grace", days_left=0)


def test_radio_buttons_stand_in_a_group_with_its_hint_and_error() -> None:
    form = Coloured(data={})
    form.full_clean()
    text = engines["django"].from_string("{% load pages %}{% field form.colour %}").render({"form": form})
    page = Read(text)
    assert page.all("fieldset")[0]["aria-describedby"] == "id_colour_helptext id_colour_error"
    assert [label["for"] for label in page.all("label")] == ["id_colour_0", "id_colour_1"]


@pytest.mark.parametrize(
    ("level", "tone"),
    [(constants.SUCCESS, "ok"), (constants.WARNING, "warn"), (constants.ERROR, "bad"), (constants.INFO, "info")],
)
def test_a_message_looks_like_what_it_says(level: int, tone: str) -> None:
    assert pages.tone(Message(level, "words")) == tone


MAILS: list[tuple[str, dict[str, Any]]] = [
    *(
        (f"accounts/mail/{p.name.removesuffix('_subject.txt')}", TENANT_MAIL)
        for p in TEMPLATES
        if p.match("accounts/mail/*_subject.txt")
    ),
    *(
        (f"account/email/{p.name.removesuffix('_subject.txt')}", ALLAUTH_MAIL)
        for p in TEMPLATES
        if p.match("account/email/*_subject.txt")
    ),
]


@pytest.mark.parametrize(("name", "context"), MAILS, ids=[name for name, _ in MAILS])
def test_a_mail_reads_as_text_and_as_html(name: str, context: dict[str, Any]) -> None:
    subject = render_to_string(f"{name}_subject.txt", context).strip()
    text = render_to_string(f"{name}_message.txt", context)
    assert subject and "\n" not in subject
    assert not re.search(r"&(amp|lt|#x27);", subject + text)
    if (ROOT / "templates" / f"{name}_message.html").exists():
        html = render_to_string(f"{name}_message.html", context)
        assert "Söhne <b>" not in html and Read(html).title.strip() and not Read(html).all("script", "img")


@pytest.mark.security(56)
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, _ in MAILS
        if name.startswith("accounts/")
        and not name.endswith(("invitation", "deadline_near", "caller_check", "enrolment_link", "address_confirm"))
    ],
)
def test_a_notice_says_when_and_where_and_leads_only_to_help(name: str) -> None:
    text = render_to_string(f"{name}_message.txt", TENANT_MAIL)
    assert text.startswith(TENANT.name)
    assert "1 May 2030, 12:00 (Europe/Berlin)" in text and "192.0.2.7" in text
    assert re.findall(r"https?://\S+", text) == [TENANT_MAIL["help_url"]]


@pytest.mark.security(56)
def test_a_notice_that_can_be_disowned_leads_to_that_page_too() -> None:
    link = "https://id.example.com/accounts/not-me/1:a/"
    for kind in ("txt", "html"):
        own = render_to_string(f"accounts/mail/mfa_reset_message.{kind}", {**TENANT_MAIL, "not_me_url": link})
        others = render_to_string(f"accounts/mail/account_disowned_message.{kind}", {**TENANT_MAIL, "not_me_url": link})
        assert link in own and link not in others


FORBIDDEN: dict[str, Callable[[Path], bool]] = {
    r"\|\s*safe\b": lambda path: True,
    r"autoescape off": lambda path: path.suffix != ".txt",
    r"(?<![\w-])style=|<style": lambda path: path.name != "base.html" or path.parent.name != "mail",
    r"\son[a-z]+=": lambda path: True,
    r"\b(?:margin|padding)-(?:left|right)\b": lambda path: True,
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_keeps_the_rules(path: Path) -> None:
    source = path.read_text()
    assert not [pattern for pattern, applies in FORBIDDEN.items() if applies(path) and re.search(pattern, source)]
    assert set(re.findall(r'{% icon "([^"]+)"', source)) <= SPRITE


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_short_and_writes_no_markup(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 120
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", source)
