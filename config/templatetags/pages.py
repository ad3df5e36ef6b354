"""Tags for pages: icons from the sprite, and form fields with label, hint and errors in their places.

`{% load pages %}` — `{% icon "key" %}`, `{% field form.code kind="digits" %}`, `{{ message|tone }}`.
"""

from typing import Any, Final

from django import template
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.forms import BoundField, CheckboxInput, PasswordInput
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

Attributes = dict[str, str | bool]

SPRITE: Final = "icons.svg"
ICON: Final = (
    '<svg class="icon {}" width="24" height="24" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>'
)
DIGITS: Final[Attributes] = {
    "class": "input otp",
    "inputmode": "numeric",
    "autocomplete": "one-time-code",
    "spellcheck": "false",
    "dir": "ltr",
    "data-code": "",
}
RECOVERY: Final[Attributes] = {
    "class": "input code-input",
    "autocomplete": "off",
    "autocapitalize": "none",
    "spellcheck": "false",
    "dir": "ltr",
}
ADDRESS: Final[Attributes] = {"autocapitalize": "none", "spellcheck": "false", "dir": "ltr"}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """One symbol of `static/icons.svg`, hidden from screen readers: the words beside it say the same."""
    return format_html(ICON, extra, static(SPRITE), name)


@register.inclusion_tag("components/field.html")
def field(
    bound: BoundField,
    label: str = "",
    hint: str | None = None,
    kind: str = "",
    autofocus: bool = False,
    autocomplete: str = "",
) -> dict[str, Any]:
    """A field with its visible label, hint and errors; the input is described by both (WCAG 1.3.1, 3.3.1).

    `kind`: "digits" (six digits of an app), "recovery" (a recovery code) or "" (told from the widget).
    `hint`: replaces the field's own help text; "" leaves it out. `autocomplete` replaces the widget's.
    The page says which field has the focus, not the widget; after an error it is the first that was refused.
    """
    widget = bound.field.widget
    words = bound.help_text if hint is None else hint
    attributes = attributes_for(bound, kind)
    if autocomplete:
        attributes["autocomplete"] = autocomplete
    if described_by := ids_describing(bound, has_hint=bool(words)):
        attributes["aria-describedby"] = described_by
    if not bound.is_hidden:
        attributes["autofocus"] = autofocus or is_first_with_error(bound)
    return {
        "field": bound,
        "label": label or bound.label,
        "hint": words,
        "control": bound.as_widget(attrs=attributes),
        "is_check": isinstance(widget, CheckboxInput),
        "can_reveal": isinstance(widget, PasswordInput),
    }


def attributes_for(bound: BoundField, kind: str) -> Attributes:
    """What the control needs beside what its widget brings; `False` takes an attribute away."""
    widget = bound.field.widget
    if bound.is_hidden or bound.use_fieldset or isinstance(widget, CheckboxInput):
        return {}
    attributes: Attributes = {"class": "input", "placeholder": False}  # a placeholder is no label
    if kind == "recovery":
        return attributes | RECOVERY
    if kind == "digits" or widget.attrs.get("autocomplete") == "one-time-code":
        return attributes | DIGITS
    if isinstance(widget, PasswordInput):
        return attributes | {"dir": "ltr"}
    if "email" in (widget.attrs.get("type"), getattr(widget, "input_type", "")):
        return attributes | ADDRESS
    return attributes


def ids_describing(bound: BoundField, *, has_hint: bool) -> str:
    """The ids of the hint and the errors, in the order in which they should be read."""
    parts = [("helptext", has_hint), ("error", bool(bound.errors))]
    return " ".join(f"{bound.auto_id}_{name}" for name, there in parts if there and not bound.is_hidden)


def is_first_with_error(bound: BoundField) -> bool:
    """Whether this is the first visible field of its form that was refused."""
    refused = (other.name for other in bound.form.visible_fields() if other.errors)
    return bool(bound.errors) and next(refused, None) == bound.name


@register.filter
def tone(message: Message) -> str:
    """`ok`, `warn`, `bad` or `info`: the look and the icon of a message."""
    tones = {constants.SUCCESS: "ok", constants.WARNING: "warn", constants.ERROR: "bad"}
    return tones.get(message.level, "info")
