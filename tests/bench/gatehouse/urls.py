"""The site's addresses and the view, which carries no mark: it is gated like any other."""

from django.urls import path

from config.urls import handler400, handler403, handler404, handler500, urlpatterns
from tests.bench.pages import whoami

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [*urlpatterns, path("whoami/", whoami)]
