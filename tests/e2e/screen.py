"""What a camera sees: a QR code read from a screenshot, by software that did not draw it."""

import struct
import zlib
from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

import zxingcpp
from playwright.sync_api import Locator

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of a PNG's colour types (PNG, third edition, §11.2.1)


def scan(locator: Locator) -> dict[str, str]:
    """The `otpauth://` link in the QR code on the screen, taken apart: kind, label, secret, issuer and the rest."""
    found = zxingcpp.read_barcode(_grey(locator.screenshot()))
    assert found is not None, "There is no QR code that a camera could read."
    link = urlsplit(found.text)
    assert link.scheme == "otpauth"
    parameters = {name: values[0] for name, values in parse_qs(link.query, strict_parsing=True).items()}
    return {"kind": link.netloc, "label": unquote(link.path.lstrip("/")), **parameters}


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def rows_of(png: bytes) -> list[bytes]:
    """The pixels of an 8-bit, not interlaced PNG, row by row; `channels_of` bytes each."""
    width, _ = size_of(png)
    depth, _, _, _, interlaced = png[24:29]
    assert (depth, interlaced) == (8, 0)
    step = channels_of(png)
    raw = zlib.decompress(b"".join(data for kind, data in chunks_of(png) if kind == b"IDAT"))
    rows, above = [], bytes(width * step)
    for start in range(0, len(raw), width * step + 1):
        above = _unfiltered(raw[start], raw[start + 1 : start + 1 + width * step], above, step)
        rows.append(above)
    return rows


def chunks_of(png: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and content of every chunk (PNG, third edition, §5.3)."""
    chunks, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += length + 12
    return chunks


def channels_of(png: bytes) -> int:
    """Bytes for each pixel."""
    return CHANNELS[png[25]]


def _grey(png: bytes) -> memoryview:
    step = channels_of(png)
    green = [row[1::step] if step > 2 else row[::step] for row in rows_of(png)]  # stands in for brightness
    width, height = size_of(png)
    return memoryview(b"".join(green)).cast("B", (height, width))


def _unfiltered(kind: int, row: bytes, above: bytes, step: int) -> bytes:
    """Undo a row's filter (PNG, third edition, §9.2)."""
    guess, line = GUESSES[kind], bytearray(step) + row
    for i in range(step, len(line)):
        up, corner = above[i - step], above[i - 2 * step] if i >= 2 * step else 0
        line[i] = (line[i] + guess(line[i - step], up, corner)) & 0xFF
    return bytes(line[step:])


def _paeth(left: int, up: int, corner: int) -> int:
    ahead = left + up - corner
    return min((abs(ahead - left), 0, left), (abs(ahead - up), 1, up), (abs(ahead - corner), 2, corner))[2]


GUESSES: tuple[Callable[[int, int, int], int], ...] = (
    lambda left, up, corner: 0,
    lambda left, up, corner: left,
    lambda left, up, corner: up,
    lambda left, up, corner: (left + up) // 2,
    _paeth,
)
