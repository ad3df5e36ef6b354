"""Pictures of pages for people to look at: sharp, small, and the same every time."""

import os
import struct
import zlib
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.screen import chunks_of, rows_of

LARGEST = 150_000  # bytes, so that a page with all of them loads at once
SIGNATURE = b"\x89PNG\r\n\x1a\n"


LOOKS = {"light": (1280, "light"), "dark": (1280, "dark"), "phone": (390, "light")}


def looks_folder() -> Path | None:
    """Where the looks of pages are kept, if they are."""
    named = os.environ.get("GATEHOUSE_LOOKS")
    return Path(named) if named else None


def take_looks(page: Page, name: str, folder: Path | None) -> None:
    """A page light, dark and on a telephone, where it must not be cut off at the side."""
    for look, (width, scheme) in LOOKS.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        _assert_not_cut_off(page, f"{name}, {look}")
        path = folder and folder / f"{name}-{look}.png"
        page.screenshot(path=path, animations="disabled", caret="hide", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


class Album:
    """Takes pictures; keeps them where there is a folder for them."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def take(self, page: Page, name: str, *, whole: bool = True) -> None:
        """The page, or with `whole=False` what fits the window; nothing is focused, moving or cut off at the side."""
        page.evaluate("document.activeElement?.blur()")
        _assert_not_cut_off(page, name)
        png = page.screenshot(animations="disabled", caret="hide", full_page=whole)
        if self.folder is None:
            return
        png = squeezed(png)
        assert len(png) <= LARGEST, f"{name} takes {len(png)} bytes"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.png").write_bytes(png)


def squeezed(png: bytes) -> bytes:
    """The same pixels in fewer bytes: browsers compress in a hurry, and filters do flat areas no good."""
    pixels = b"".join(b"\0" + row for row in rows_of(png))
    header = next(data for kind, data in chunks_of(png) if kind == b"IHDR")
    packed = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels, level=9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in packed)


def _assert_not_cut_off(page: Page, name: str) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} is cut off at the side"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
