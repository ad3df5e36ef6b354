"""The view, first as on the peers, and the site's addresses. It carries no mark: it is gated like any other."""

from django.urls import path

from config.urls import handler400, handler403, handler404, handler500, urlpatterns
from tests.bench.pages import whoami

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [path("whoami/", whoami), *urlpatterns]
