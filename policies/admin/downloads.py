"""Answers that go out while they are made, and files among them."""

from collections.abc import AsyncIterator, Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse

from audit.spreadsheets import csv_lines
from policies.admin.spreadsheets import xlsx_pieces
from policies.flows.exports import Export, ExportStopped

Rows = Iterable[list[Any]]


class Format(StrEnum):
    """What a list can be downloaded as."""

    CSV = "csv"
    XLSX = "xlsx"


CONTENT_TYPES: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def streamed(request: HttpRequest, lines: Iterator[bytes], content_type: str) -> StreamingHttpResponse:
    """An answer that goes out as it is made, also through a proxy, and under an ASGI server as well."""
    content = _in_turns(lines) if hasattr(request, "scope") else lines
    response = StreamingHttpResponse(content, content_type=content_type)
    response["X-Accel-Buffering"] = "no"
    return response


def download(request: HttpRequest, export: Export, rows: Rows, *, name: str) -> StreamingHttpResponse:
    """The rows of an export as a file; `name` is a slug, without the ending."""
    wanted = Format(export.format)
    made = _csv(rows) if wanted is Format.CSV else export.each(xlsx_pieces(rows))
    response = streamed(request, made, CONTENT_TYPES[wanted])
    response["Content-Disposition"] = f'attachment; filename="{name}.{wanted}"'
    return response


def _csv(rows: Rows) -> Iterator[bytes]:
    """A list that is broken off says so in its last line too: not every proxy passes a broken connection on."""
    try:
        for line in csv_lines(rows):
            yield line.encode()
    except ExportStopped as stop:
        yield f"{stop}\r\n".encode()
        raise


async def _in_turns(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each line is made in the thread of the request, and the loop is free meanwhile; the end is told there too."""
    following = sync_to_async(lambda: next(lines, None))
    try:
        while (line := await following()) is not None:
            yield line
    finally:
        if (close := getattr(lines, "close", None)) is not None:
            await sync_to_async(close)()
