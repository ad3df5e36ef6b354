"""The only door to allauth's internals: everything taken from `allauth.*.internal.*` passes through here.

allauth is pinned exactly (see docs/adr/0004); when it moves, this module is what to read again.
"""

from allauth.account.internal.flows.login import perform_login
from allauth.account.internal.stagekit import clear_login, get_pending_stage
from allauth.account.stages import EmailVerificationStage, LoginStage

__all__ = [
    "EmailVerificationStage",
    "LoginStage",
    "clear_login",
    "get_pending_stage",
    "perform_login",
]
