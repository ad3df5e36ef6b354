"""What happened to one's account, in plain words."""

from django.http import HttpResponse

from accounts.flows import activity
from accounts.gates import GatedRequest
from accounts.views.base import Page
from accounts.views.places import happening_shown


class ActivityView(Page):
    """The newest security events about the person."""

    def get(self, request: GatedRequest) -> HttpResponse:
        shown = [happening_shown(one) for one in activity.recent(self.me)]
        return self.show("mfa/activity.html", happenings=shown)
