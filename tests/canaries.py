"""Secrets that a test pushed through the site, and every place in which one of them could still be read."""

import base64
import html
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from math import ceil, lcm
from typing import Any
from urllib.parse import quote, quote_plus

from django.contrib import admin
from django.core.cache import cache as site_cache
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, reverse

LEAST: int = 12  # characters; what is shorter is looked for as a word of its own, or it would be found by accident


@dataclass
class Canaries:
    """Secrets by what they are. `where` says for each in which mails (words of the subject) it may stand."""

    known: dict[str, set[str]] = field(default_factory=dict)
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def note(self, name: str, secret: str, *, mailed: str = "") -> str:
        """Look for this secret from now on."""
        assert secret, name
        self.known.setdefault(name, set()).add(secret)
        if mailed:
            self.where[name] = (*self.where.get(name, ()), mailed)
        return secret

    def found(self, text: str, *, but: Iterable[str] = ()) -> list[str]:
        """The names of those that can be read in a text, in whatever spelling."""
        pieces = {text[start : start + LEAST] for start in range(len(text) - LEAST + 1)}
        return sorted(
            name
            for name, secrets in self.known.items()
            if name not in but and any(_stands_in(text, pieces, secret) for secret in secrets)
        )

    def found_in_mail(self, subject: str, body: str) -> list[str]:
        """As `found`, but for what this very mail is there to bring."""
        brought = [name for name, subjects in self.where.items() if any(words in subject for words in subjects)]
        return self.found(f"{subject}\n{body}", but=brought)


@cache
def spellings(secret: str) -> frozenset[str]:
    """The secret in clear, without its separators and in groups of four; escaped; its bytes in hex, base32, base64.

    Encoded bytes are looked for as they stand inside a longer stream too, wherever in it they begin.
    """
    plain = {secret, re.sub(r"[\s-]", "", secret)}
    found = {form for text in plain for form in (*_escaped(text), *_grouped(text), text.lower(), text.upper())}
    for data in {text.encode() for text in plain} | _decoded(secret):
        found |= {data.hex(), data.hex().upper()}
        for encode, bits in ((base64.b64encode, 6), (base64.urlsafe_b64encode, 6), (base64.b32encode, 5)):
            found |= set(_inside(data, encode, bits))
    return frozenset(found | {form.lower() for form in found if form.isupper()})


def _escaped(text: str) -> set[str]:
    """As it stands in a page, in JSON and in an address, the latter with large and small hex digits."""
    quoted = {quote(text, ""), quote_plus(text)}
    small = {re.sub(r"%..", lambda found: found[0].lower(), each) for each in quoted}
    return {text, html.escape(text), json.dumps(text)[1:-1], *quoted, *small}


def _grouped(text: str) -> set[str]:
    """In groups of four, as people are shown it."""
    groups = [text[i : i + 4] for i in range(0, len(text), 4)]
    return {" ".join(groups), "-".join(groups)} if text.isalnum() and len(text) >= LEAST else set()


def _inside(data: bytes, encode: Callable[[bytes], bytes], bits: int) -> Iterator[str]:
    """What of an encoding is the same whatever stands before and after the data, for each place to begin at."""
    for before in range(lcm(8, bits) // 8):
        text = encode(bytes(before) + data).decode()
        yield text[ceil(8 * before / bits) : 8 * (before + len(data)) // bits]


def _decoded(secret: str) -> set[bytes]:
    """The bytes that a secret in base32 or base64 stands for."""
    bare = re.sub(r"[\s-]", "", secret)
    found = set()
    if re.fullmatch(r"[A-Z2-7]{16,}=*", bare):
        found.add(base64.b32decode(bare + "=" * (-len(bare) % 8)))
    if re.fullmatch(r"[A-Za-z0-9_-]{40,}=*", secret):
        found.add(base64.urlsafe_b64decode(secret.rstrip("=") + "=" * (-len(secret.rstrip("=")) % 4)))
    return found


def _stands_in(text: str, pieces: set[str], secret: str) -> bool:
    """Whether it can be read there; what is short, only where it stands by itself.

    `pieces` is all that stands in the text at this length: nearly every spelling is ruled out by how it begins.
    """
    if len(secret) < LEAST:
        return any(form in text for form in _short_forms(secret)) and _by_itself(secret).search(text) is not None
    return any(form[:LEAST] in pieces and form in text for form in spellings(secret) if len(form) >= LEAST)


@cache
def _short_forms(secret: str) -> frozenset[str]:
    """A short secret, in two halves too, and its encodings."""
    data, half = secret.encode(), len(secret) // 2
    encoded = {base64.b64encode(data), base64.urlsafe_b64encode(data), base64.b32encode(data)}
    forms = {
        secret,
        f"{secret[:half]} {secret[half:]}",
        f"{secret[:half]}-{secret[half:]}",
        data.hex(),
        data.hex().upper(),
    }
    forms |= {form.decode().rstrip("=") for form in encoded}
    return frozenset(forms)


@cache
def _by_itself(secret: str) -> re.Pattern[str]:
    """One of the forms of a short secret as a word of its own.

    Six digits are found by accident in ids, in fractions of a second and in the middle of anything encoded; so neither
    digits nor letters may touch them, nor a point between them and others. A full stop behind them is none.
    """
    either = "|".join(re.escape(form) for form in sorted(_short_forms(secret)))
    return re.compile(rf"(?<![0-9A-Za-z_-])(?<![0-9A-Za-z]\.)(?:{either})(?![0-9A-Za-z_-]|\.[0-9A-Za-z])")


# -- where to look -----------------------------------------------------------------------------------------------


def tables() -> Iterator[tuple[str, str]]:
    """Every table of the database with all that stands in it."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  # nosec B608
            yield table, "\n".join(_cell(value) for row in cursor.fetchall() for value in row)


def _cell(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return f"{bytes(value).hex()} {bytes(value).decode('latin-1')}"
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def cached() -> str:
    """All that the cache of this process holds."""
    return repr(dict(getattr(site_cache, "_cache", {})))


def dumped() -> str:
    """What `dumpdata` prints."""
    out = io.StringIO()
    call_command("dumpdata", stdout=out)
    return out.getvalue()


def admin_pages(client: Client) -> Iterator[tuple[str, str]]:
    """Every list of the admin, and the page of everything in it."""
    for model in admin.site._registry:
        yield from _of_model(client, model)


def _of_model(client: Client, model: type[Model]) -> Iterator[tuple[str, str]]:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    yield f"{name}_changelist", client.get(reverse(f"{name}_changelist")).content.decode()
    for thing in model._default_manager.all()[:200]:
        key = getattr(thing, "public_id", thing.pk)
        for page in ("change", "history"):
            try:
                url = reverse(f"{name}_{page}", args=[key])
            except NoReverseMatch:
                continue
            yield url, client.get(url).content.decode()
