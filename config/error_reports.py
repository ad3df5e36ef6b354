"""What Django's error report tells while DEBUG is off: where it broke, and no value that anybody typed or was shown.

Django's own filter shows what no decorator names. Secrets go through every flow, and through the frames of Django and
of packages above and below it, so one function that nobody thought of would put a code or a seed where an operator has
reports sent. Here it is the other way round: variables keep their names and lose their values, and of request and
settings only what is listed is shown. `sensitive_variables` stays where keys and plaintexts are at home, for sites
that set a filter of their own. Whatever reads frames without Django's filter, as crash collectors do, is not held by
either.
"""

from collections.abc import Collection, ItemsView, Mapping
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from config.logs import route_of, told

SHOWN_SETTINGS = {"DEBUG", "INSTALLED_APPS", "LANGUAGE_CODE", "MIDDLEWARE", "SETTINGS_MODULE", "TIME_ZONE", "USE_TZ"}
SHOWN_META = {
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_HOST",
    "HTTP_USER_AGENT",
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "SERVER_PROTOCOL",
}


class NamesAlone(SafeExceptionReporterFilter):
    """Names of variables, fields and cookies, without their values; settings and headers that are listed."""

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        if not self.is_active(request):
            return super().get_traceback_frame_variables(request, tb_frame)
        return self._hidden(tb_frame.f_locals).items()

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_post_parameters(request)
        return self._hidden(fields) if self.is_active(request) else fields

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, Any]:
        cookies: dict[str, Any] = super().get_safe_cookies(request)  # type: ignore[arg-type]
        return self._hidden(cookies) if self.is_active(request) else cookies

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        meta: dict[str, Any] = super().get_safe_request_meta(request)  # type: ignore[arg-type]
        return self._hidden(meta, but=SHOWN_META) if self.is_active(request) else meta

    def get_safe_settings(self) -> dict[str, Any]:
        known: dict[str, Any] = super().get_safe_settings()
        return self._hidden(known, but=SHOWN_SETTINGS) if self.is_active(None) else known

    def _hidden(self, values: Mapping[str, Any], *, but: Collection[str] = ()) -> dict[str, Any]:
        return {name: values[name] if name in but else self.cleansed_substitute for name in values}


class Reporter(ExceptionReporter):
    """Django's report with the route in place of the address, and texts of exceptions as the log tells them.

    Paths and queries carry single-use keys; the DETAIL of a database error quotes the row.
    """

    def get_traceback_data(self) -> dict[str, Any]:
        found: dict[str, Any] = super().get_traceback_data()
        if not self.filter.is_active(self.request):
            return found
        found["unicode_hint"] = ""
        found |= {name: _harmless(found[name]) for name in ("exception_value", "exception_notes") if name in found}
        for frame in found["frames"]:
            if (cause := frame["exc_cause"]) is not None:
                frame["exc_cause"] = f"{type(cause).__name__}: {_harmless(str(cause))}"
        return found if self.request is None else found | self._of_request(self.request, found["request_meta"])

    def _of_request(self, request: HttpRequest, meta: dict[str, Any]) -> dict[str, Any]:
        route = route_of(request) or self.filter.cleansed_substitute
        asked = {name: self.filter.cleansed_substitute for name in request.GET}
        shown = {
            "path_info": route,
            "META": meta,
            "GET": asked,
            "FILES": {},
            "COOKIES": self.filter.get_safe_cookies(request),
        }
        return {
            "request": shown,
            "request_insecure_uri": route,
            "request_GET_items": asked.items(),
            "request_FILES_items": (),
        }


def _harmless(text: str) -> str:
    return "\n".join(told(text))
