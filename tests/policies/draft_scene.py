"""The page on which a draft is edited, filled in and sent as a browser does it."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from django.http import QueryDict
from django.test import Client

from accounts.models import User
from policies.admin.draft_form import DraftForm, ground_of
from policies.models import MFAPolicy
from tests.policies.admin_scene import url

Fields = dict[str, list[str]]


class _Controls(HTMLParser):
    """The successful controls of a page's one form, and which buttons there are (HTML, 4.10.21.4)."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.inside = not form
        self.fields: Fields = {}
        self.select: list[tuple[str, bool]] | None = None
        self.named = ""
        self.text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has: Mapping[str, Any] = dict(attrs)
        if tag == "form":
            self.inside = has.get("id") == self.form
        if not self.inside or "disabled" in has:
            return
        if tag == "input" and has.get("type") not in ("submit", "button"):
            if has.get("type") not in ("checkbox", "radio") or "checked" in has:
                self.add(has["name"], has.get("value") or ("on" if has["type"] == "checkbox" else ""))
        elif tag == "select":
            self.select, self.named = [], has["name"]
        elif tag == "option" and self.select is not None:
            self.select.append((has["value"], "selected" in has))
        elif tag == "textarea":
            self.text, self.named = [], has["name"]

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = not self.form
        elif tag == "select" and self.select is not None:
            chosen = [value for value, is_chosen in self.select if is_chosen] or [self.select[0][0]]
            self.add(self.named, chosen[-1])
            self.select = None
        elif tag == "textarea" and self.text is not None:
            self.add(self.named, "".join(self.text).removeprefix("\n").removeprefix("\r\n").replace("\n", "\r\n"))
            self.text = None

    def add(self, name: str, value: str) -> None:
        self.fields.setdefault(name, []).append(value)


def controls(html: str, form: str = "policy_form") -> Fields:
    """What a browser would send of a form with this id; without one, of all there is."""
    parser = _Controls(form)
    parser.feed(html)
    return parser.fields


def changed(fields: Fields, **changes: Any) -> dict[str, Any]:
    """What is sent with these changes; None leaves a field out, `excludes_0_until` stands for "excludes-0-until"."""
    named = {_name(name): value for name, value in changes.items()}
    sent: dict[str, Any] = {**fields, **named}
    return {name: value for name, value in sent.items() if value is not None}


def _name(name: str) -> str:
    for kind in ("excludes", "tests"):
        if name.startswith(f"{kind}_") and name.removeprefix(f"{kind}_")[0].isdigit():
            place, _underscore, field = name.removeprefix(f"{kind}_").partition("_")
            return f"{kind}-{place}-{field}"
    return name


def address(policy: MFAPolicy, page: str = "draft") -> str:
    """Where the page is."""
    return url(MFAPolicy, page, policy.pk)


def shown(client: Client, policy: MFAPolicy) -> Fields:
    """What the page would send if nobody touched it."""
    response = client.get(address(policy))
    assert response.status_code == 200
    return controls(response.content.decode())


def form_for(policy: MFAPolicy, document: Any, actor: User, *, enabled: bool = True, **kwargs: Any) -> DraftForm:
    """The form of a document."""
    ground = ground_of(policy, document, enabled=enabled, actor=actor)
    return DraftForm(ground=ground, draft="", revision=0, based_on=1, **kwargs)


def sent_by(form: DraftForm) -> Fields:
    """What a form would send untouched."""
    rows = [row for kind in form.kinds.values() for row in (kind.management_form, *kind.forms)]
    return controls("".join(one.as_div() for one in (form, *rows)), form="")


def received(form: DraftForm, fields: Mapping[str, Any]) -> DraftForm:
    """The form that these fields make, on the same ground."""
    data = QueryDict(mutable=True)
    for name, value in fields.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return DraftForm(data, ground=form.ground)
