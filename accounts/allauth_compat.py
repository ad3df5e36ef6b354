"""The only door to allauth's internals: everything taken from `allauth.*.internal.*` passes through here.

allauth is pinned exactly (see docs/adr/0004); when it moves, this module is what to read again.
"""

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.internal.flows.login import perform_login
from allauth.account.internal.stagekit import LOGIN_SESSION_KEY, clear_login
from allauth.account.internal.stagekit import get_pending_stage as _looked_up
from allauth.account.models import Login
from allauth.account.stages import EmailVerificationStage, LoginStage, LoginStageController
from allauth.account.utils import user_pk_to_url_str
from django.http import HttpRequest

__all__ = [
    "EmailVerificationStage",
    "LoginStage",
    "clear_login",
    "get_pending_stage",
    "perform_login",
]


def get_pending_stage(request: HttpRequest, person: Any = None) -> LoginStage | None:
    """The stage at which a sign-in waits, or None. As allauth finds it, but without looking `person` up again.

    `person` is taken where the sign-in names them, as read for this very request; anybody else, and a sign-in that has
    waited for too long, goes allauth's own way.
    """
    login = _waiting(request, person) if person is not None and not request.user.is_authenticated else None
    if login is None:
        return _looked_up(request)
    vars(request)["_account_login_accessed"] = True  # as allauth notes that somebody asked
    return LoginStageController(request, login).get_pending_stage()


def _waiting(request: HttpRequest, person: Any) -> Login | None:
    """The sign-in of this person that waits in the session; None where there is none, or allauth would end it."""
    data = request.session.get(LOGIN_SESSION_KEY)
    if not isinstance(data, dict) or data.get("user_pk") != user_pk_to_url_str(person):
        return None
    try:
        login = Login.deserialize(data | {"user_pk": None})
    except ValueError:
        return None
    login.user = person
    return login if time.time() - login.initiated_at <= app_settings.LOGIN_TIMEOUT else None
