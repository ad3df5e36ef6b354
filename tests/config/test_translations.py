"""German and Arabic are complete, in step with the source, and say nothing in English."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import allauth
import pytest
from django.conf import settings
from django.contrib import admin as contrib_admin
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation

from config.borrowed_texts import BORROWED
from tests.config import catalogues
from tests.config.catalogues import ROOT, Entry, Text
from tests.config.sample_pages import PAGES
from tests.config.test_templates import MAILS, TEMPLATES, render

LANGUAGES = [code for code, _name in settings.LANGUAGES if code != "en"]
CATALOGUES = {code: catalogues.read_po(catalogues.catalogue(code, "po")) for code in LANGUAGES}
TEXTS = catalogues.texts()
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
FRAMES = {"%(rule)s: %(why)s", "%(what)s: %(people)s", "%(percent)s %%"}  # nothing but what is put in
SAME = {
    "ar": {"WebAuthn", "TOTP", *FRAMES},
    "de": {
        *"Administrator Alarm App Code Information Name Passkey Person TOTP Version WebAuthn".split(),
        *("Version %(number)d", "Version %(number)s"),
        *FRAMES,
    },
}
DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")

each_language = pytest.mark.parametrize("language", LANGUAGES)


def entries(language: str) -> list[Entry]:
    """The catalogue without its header."""
    return CATALOGUES[language][1:]


def header(language: str) -> str:
    return CATALOGUES[language][0].words[0]


def test_the_reader_finds_marked_texts_in_every_form() -> None:
    source = (
        '{% load i18n %}{% translate "One" %}{{ _("Two") }}{% blocktranslate trimmed %}\n  Three {{ n }}\n'
        "{% endblocktranslate %}{% blocktranslate count n=n %}It's {{ n }}.{% plural %}They are {{ n }}."
        "{% endblocktranslate %}"
    )
    assert set(catalogues.of_template(source)) == {
        ("One", ""),
        ("Two", ""),
        ("Three %(n)s", ""),
        ("It's %(n)s.", "They are %(n)s."),
    }
    known = {
        ("Your password is set. Sign in with it now.", ""),
        ("%(count)s session was ended.", "%(count)s sessions were ended."),
    }
    assert known <= TEXTS and len(TEXTS) > 700


@each_language
def test_every_text_of_the_source_is_translated_and_nothing_else(language: str) -> None:
    listed = [entry.text for entry in entries(language)]
    assert sorted(TEXTS - set(listed)) == []
    assert sorted(set(listed) - TEXTS) == []
    assert len(listed) == len(set(listed))


@each_language
def test_every_translation_is_there_and_none_is_a_guess(language: str) -> None:
    forms = len(catalogues.numbers_by_form(header(language)))
    for entry in CATALOGUES[language]:
        assert "fuzzy" not in entry.flags
        assert len(entry.words) == (forms if entry.text[1] else 1)
        assert all(words.strip() for words in entry.words), entry.text


def test_arabic_has_its_six_plural_forms() -> None:
    zero, one, two, few, many, other = catalogues.numbers_by_form(header("ar"))
    assert (zero, one, two) == ([0], [1], [2])
    assert {3, 10, 103} <= set(few) and {11, 99, 111} <= set(many) and {100, 101, 102} <= set(other)


@each_language
def test_placeholders_are_those_of_the_source(language: str) -> None:
    """Where a form is for one number alone, it may say the number in words."""
    numbers = catalogues.numbers_by_form(header(language))
    for entry in entries(language):
        singular, plural = (sorted(PLACEHOLDER.findall(text)) for text in entry.text)
        if not entry.text[1]:
            assert sorted(PLACEHOLDER.findall(entry.words[0])) == singular, entry.text
            continue
        for taken, words in zip(numbers, entry.words, strict=True):
            found = sorted(PLACEHOLDER.findall(words))
            assert found == plural or (len(taken) == 1 and set(found) <= {*singular, *plural}), entry.text


@each_language
def test_the_compiled_catalogue_is_in_step(language: str) -> None:
    compiled = catalogues.read_mo(catalogues.catalogue(language, "mo"))
    (compiled_header,) = compiled.pop(("", ""))
    assert catalogues.numbers_by_form(compiled_header) == catalogues.numbers_by_form(header(language))
    assert compiled == {entry.text: entry.words for entry in entries(language)}, "compile it: see docs/adr/0012"


@each_language
def test_the_translation_is_not_the_source_again(language: str) -> None:
    same = {entry.text[0] for entry in entries(language) if entry.text[0] in entry.words}
    assert same == SAME[language]


def test_german_is_polite_and_quotes_as_german_does() -> None:
    for entry in entries("de"):
        for words in entry.words:
            assert not re.search(r"\b(du|dich|dir|dein\w*)\b", words, re.IGNORECASE), words
            assert not re.search(r"[“\"][A-Za-zÄÖÜ%]|[A-Za-z][\"”]", words), words


def test_arabic_is_written_with_arabic_marks() -> None:
    for entry in entries("ar"):
        for words in entry.words:
            plain = PLACEHOLDER.sub("", words)
            assert not re.search(r"[?“”\"]|[\u0600-\u06ff][,;]", plain), words
            assert not DIRECTION_MARKS.search(words), words


def test_borrowed_texts_are_those_of_the_packages() -> None:
    theirs: set[Text] = set()
    for package in (allauth, contrib_admin):
        theirs |= set(catalogues.read_mo(Path(package.__path__[0]) / "locale" / "de" / "LC_MESSAGES" / "django.mo"))
    assert [text for text in BORROWED if (text, "") not in theirs] == []


@each_language
def test_our_words_win_over_those_of_packages(language: str) -> None:
    ours: dict[Text, list[str]] = {entry.text: entry.words for entry in entries(language)}
    with translation.override(language):
        for text in (*BORROWED, "Home", "Password"):
            assert [translation.gettext(text)] == ours[text, ""]


def english() -> list[str]:
    """Every text without gaps that is more than a word or two, so that it cannot be there by accident."""
    return [text for texts in TEXTS for text in texts if len(text.split()) > 2 and not PLACEHOLDER.search(text)]


SENTENCES = english()


def left_over(rendered: str) -> list[str]:
    shown = " ".join(unescape(rendered).split())
    return [sentence for sentence in SENTENCES if sentence in shown]


@pytest.mark.parametrize("name", PAGES)
@each_language
def test_a_page_says_nothing_in_english(name: str, language: str) -> None:
    with translation.override(language):
        assert left_over(render(name)) == []


@pytest.mark.parametrize(("name", "context"), MAILS, ids=[name for name, _ in MAILS])
@each_language
def test_a_mail_says_nothing_in_english(name: str, context: dict[str, Any], language: str) -> None:
    parts = ["subject.txt", "message.txt"]
    if (ROOT / "templates" / f"{name}_message.html").exists():
        parts.append("message.html")
    with translation.override(language):
        for part in parts:
            assert left_over(render_to_string(f"{name}_{part}", context)) == []


DIRECTIVES = re.compile(
    r"{% blocktranslate.*?{% endblocktranslate %}|{% comment.*?{% endcomment %}"
    r"|{% block (?:width|body_?class) %}.*?{% endblock[^%]*%}|<style>.*?</style>|{%.*?%}|{{.*?}}|{#.*?#}",
    re.DOTALL,
)
SPOKEN = re.compile(r'\b(?:aria-label|title|alt|placeholder|data-[a-z-]*label)="[^"]*[^\W\d_]{2}[^"]*"')


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_words_of_a_template_are_unmarked(path: Path) -> None:
    markup = DIRECTIVES.sub(" ", path.read_text())
    assert SPOKEN.findall(markup) == []
    assert re.findall(r"[^\W\d_]{2,}", re.sub(r"<[^>]*>|&\w+;", " ", markup)) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "direction", "words"),
    [("de", "ltr", "Passwort vergessen?"), ("ar", "rtl", "هل نسيت كلمة المرور؟")],
)
def test_the_language_that_was_chosen_is_spoken(language: str, direction: str, words: str) -> None:
    with translation.override("en"):
        client = Client()  # its requests leave their language behind in this thread
        client.post("/i18n/setlang/", {"language": language, "next": "/accounts/login/"})
        page = client.get("/accounts/login/")
        text = page.content.decode()
        assert page["Content-Language"] == language
        assert f'<html lang="{language}" dir="{direction}">' in text and words in text
        assert left_over(text) == left_over(client.get("/help/").content.decode()) == []
