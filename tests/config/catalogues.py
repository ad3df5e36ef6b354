"""The texts of the source, and the catalogues, read without gettext's programs."""

import ast
import re
import struct
from collections.abc import Iterator
from gettext import c2py
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(settings.BASE_DIR)
ROOMS = ("accounts", "audit", "config", "policies")
SINGULAR = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURAL = {"ngettext", "ngettext_lazy"}
CONTEXT = {"pgettext", "pgettext_lazy"}
LITERAL = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
MARKED = re.compile(rf"\b(?:_|gettext|ngettext)\(\s*u?({LITERAL})(?:\s*,\s*u?({LITERAL}))?")
LINE = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) (".*")')
MO_MAGIC = 0x950412DE  # gettext manual, "The Format of GNU MO Files"

Text = tuple[str, str]  # msgid (after its context and U+0004, if it has one), msgid_plural or ""


class Entry(NamedTuple):
    """One entry of a .po file: its texts, its translations (several for a plural) and its flags."""

    text: Text
    words: list[str]
    flags: str


def texts() -> set[Text]:
    """Everything that our Python and our templates mark for translation."""
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    templates = [path for path in (ROOT / "templates").rglob("*.*") if path.suffix in (".html", ".txt")]
    return {text for path in modules for text in _of_module(path)} | {
        text for path in templates for text in of_template(path.read_text())
    }


def _of_module(path: Path) -> Iterator[Text]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            taken = 1 if name in SINGULAR else 2 if name in PLURAL | CONTEXT else 0
            words = [one.value for one in node.args[:taken] if isinstance(one, ast.Constant)]
            if taken and len(words) == taken:
                yield ("\4".join(words), "") if name in CONTEXT else (words[0], "".join(words[1:]))


def of_template(source: str) -> Iterator[Text]:
    """The marked texts of a template, found as makemessages finds them."""
    for singular, plural in MARKED.findall(templatize(source)):
        yield ast.literal_eval(singular), ast.literal_eval(plural) if plural else ""


def catalogue(language: str, suffix: str) -> Path:
    """Where the catalogue of a language is; `suffix` is "po" or "mo"."""
    return ROOT / "config" / "locale" / language / "LC_MESSAGES" / f"django.{suffix}"


def read_po(path: Path) -> list[Entry]:
    """Every entry, the header (whose msgid is empty) first. Raises ValueError for a line that is none."""
    return [_entry(block) for block in path.read_text().strip().split("\n\n")]


def _entry(block: str) -> Entry:
    parts: dict[str, str] = {}
    flags, key = "", ""
    for line in block.splitlines():
        if line.startswith("#"):
            flags += line if line.startswith("#,") else ""
        elif found := LINE.fullmatch(line):
            key = found[1]
            parts[key] = ast.literal_eval(found[2])
        elif line.startswith('"') and key:
            parts[key] += ast.literal_eval(line)
        else:
            raise ValueError(line)
    words = [value for name, value in parts.items() if name.startswith("msgstr")]
    context = f"{parts['msgctxt']}\4" if "msgctxt" in parts else ""
    return Entry((context + parts["msgid"], parts.get("msgid_plural", "")), words, flags)


def read_mo(path: Path) -> dict[Text, list[str]]:
    """The translations of a compiled catalogue, little-endian as msgfmt writes it."""
    data = path.read_bytes()
    magic, _revision, count, originals, translations = struct.unpack_from("<5I", data)
    if magic != MO_MAGIC:
        raise ValueError(f"{path} is no compiled catalogue.")

    def text(table: int, number: int) -> list[str]:
        length, offset = struct.unpack_from("<2I", data, table + 8 * number)
        return data[offset : offset + length].decode().split("\0")

    pairs = ((text(originals, number), text(translations, number)) for number in range(count))
    return {(ids[0], ids[1] if len(ids) > 1 else ""): words for ids, words in pairs}


def numbers_by_form(header: str) -> list[list[int]]:
    """For each plural form of a catalogue with this header, the numbers below 200 that take it."""
    found = re.search(r"nplurals=(\d); plural=(.+);", header)
    if found is None:
        raise ValueError("The header does not say how plurals are formed.")
    form = c2py(found[2])
    return [[number for number in range(200) if form(number) == index] for index in range(int(found[1]))]
