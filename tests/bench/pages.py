"""The view that every side serves: as little as a view can do that knows who asks."""

from django.http import HttpRequest, HttpResponse

PERSON = "person@example.com"
PASSWORD = "a long enough pass phrase"
WHOAMI = "/whoami/"


def whoami(request: HttpRequest) -> HttpResponse:
    """The address of whoever is signed in."""
    return HttpResponse(getattr(request.user, "email", "nobody"))
