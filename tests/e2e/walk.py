"""What a person does on the pages, in the words that they read there."""

import re
from pathlib import Path

from django.core import mail
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from audit.models import AuditEvent
from tests.factories import PASSWORD

LOGIN = "/accounts/login/"


def heading(page: Page, words: str) -> Locator:
    """The page's main heading, once it is there."""
    found = page.get_by_role("heading", level=1, name=words)
    expect(found).to_be_visible()
    return found


def button(page: Page, words: str) -> Locator:
    """A button by all of its words."""
    return page.get_by_role("button", name=words, exact=True)


def press(page: Page, found: Locator) -> None:
    """Press what leads to another page, and wait for it: it may look like the one before."""
    with page.expect_navigation():
        found.click()


def at(page: Page, path: str) -> None:
    """Wait until the browser is at this path, whatever its query."""
    expect(page).to_have_url(re.compile(rf"^http://localhost:\d+{re.escape(path)}(\?|$)"))


def give_password(page: Page, person: User | str, password: str = PASSWORD) -> None:
    """Fill the sign-in page, which is open, and send it."""
    page.get_by_label("Email").fill(str(person))
    page.get_by_label("Password", exact=True).fill(password)
    press(page, button(page, "Sign in"))


def sign_in(page: Page, person: User, wanted: str = "/") -> None:
    """Ask for a page, and give the password at the sign-in one is sent to."""
    page.goto(wanted)
    at(page, LOGIN)
    give_password(page, person)


def give_code(page: Page, code: str) -> None:
    """Type a code of the app where it is asked for, and send it."""
    page.get_by_label("Code from your authenticator app").fill(code)
    press(page, page.get_by_role("button", name=re.compile("^(Verify|Confirm)$")))


def choose(page: Page, title: str) -> None:
    """Follow one of the choices on the page."""
    press(page, page.get_by_role("link", name=re.compile(f"^{re.escape(title)}")))


def setup_key(page: Page) -> str:
    """The secret of the set-up page, in groups, as one would type it over."""
    return page.locator("#setup-key").inner_text().strip()


def confirm_app(page: Page, code: str) -> None:
    """The last step of the set-up page."""
    page.get_by_label("Code from the app").fill(code)
    press(page, button(page, "Verify and continue"))


def codes_shown(page: Page) -> list[str]:
    """The recovery codes on the page."""
    heading(page, "Save your recovery codes")
    return page.locator("#recovery-codes li").all_inner_texts()


def download(page: Page) -> tuple[str, str]:
    """Name and text of the file that “Download” saves."""
    with page.expect_download() as coming:
        button(page, "Download").click()
    path = coming.value.path()
    return coming.value.suggested_filename, Path(path).read_text(encoding="utf-8")


def save_codes(page: Page, finish: str = "Finish set-up") -> list[str]:
    """Say that they are saved, and go on; returns them."""
    codes = codes_shown(page)
    page.get_by_label("I have saved my recovery codes").check()
    button(page, finish).click()
    return codes


def sign_out(page: Page) -> None:
    """By the button at the top."""
    button(page, "Sign out").click()
    at(page, LOGIN)


def link_in_mail(subject: str) -> str:
    """The path of the link in the newest mail with these words in its subject."""
    body = next(each.body for each in reversed(mail.outbox) if subject in each.subject)
    found = re.search(r"http://localhost:\d+(/\S+)", str(body))
    assert found is not None, body
    return found[1]


def events(person: User) -> list[str]:
    """The kinds of what was recorded about a person, oldest first."""
    return list(AuditEvent.objects.filter(target_id=person.pk).order_by("sequence").values_list("kind", flat=True))
