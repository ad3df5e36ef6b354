"""The view, behind what the peer puts before it, and allauth's pages where it is installed."""

from django.conf import settings
from django.urls import include, path

from tests.bench.pages import whoami

if settings.PEER == "otp":
    from django_otp.decorators import otp_required

    whoami = otp_required(whoami)

urlpatterns = [path("whoami/", whoami)]
if settings.PEER == "allauth":
    urlpatterns.append(path("accounts/", include("allauth.urls")))
