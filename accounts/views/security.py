"""The security overview, the choice of a method to set up, and turning two-step verification off."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from accounts.assurance import Method
from accounts.flows import binding as bindings
from accounts.flows import methods, recovery, removal
from accounts.models import Binding
from accounts.policy import policy
from accounts.views.base import Page
from accounts.views.presentation import enrolment_choices, factor


class SecurityView(Page):
    """What protects this account, and what can be done about it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        me, asked = self.me, policy()
        allowed, live = asked.allowed_methods(me), methods.live(me)
        factors = [b for b in live if b.kind != Binding.Kind.RECOVERY_CODE]
        now = timezone.now()
        codes = next((b for b in live if b.kind == Binding.Kind.RECOVERY_CODE), None)
        return self.show(
            "mfa/index.html",
            protected=bool(factors),
            demanded=asked.is_demanded(me),
            last_sign_in=me.last_login,
            factors=[
                factor(
                    b,
                    preferred=b.kind == (allowed or ("",))[0],
                    can_remove=asked.may_remove(me, b.pk),
                    now=now,
                )
                for b in factors
            ],
            recovery=None if codes is None else {"left": recovery.left(me), "total": codes.codes.count()},
            can_make_codes=bool(factors) and Method.RECOVERY_CODE in allowed,
            suggest_key=Method.WEBAUTHN in allowed
            and bool(factors)
            and all(b.kind != Binding.Kind.WEBAUTHN for b in factors),
            can_turn_off=bool(factors) and asked.may_turn_off(me),
            replacement_open=request.session.row.replacement_open,
        )


class EnrolView(Page):
    """Choose a method to set up; the first step of enrolment, forced or not."""

    def get(self, request: HttpRequest) -> HttpResponse:
        me = self.me
        owned = {binding.kind for binding in methods.live(me)}
        choices = enrolment_choices(
            tuple(m for m in policy().allowed_methods(me) if m is not Method.TOTP or m not in owned),
            self.next,
            passkeys=policy().passkey_login_allowed(me),
        )
        standing = request.gate  # type: ignore[attr-defined]
        return self.show(
            "mfa/enrol.html",
            choices=choices,
            forced=standing.enrol,
            deadline=standing.deadline,
            days_left=standing.days_left,
            tenant=me.tenant,
            steps=me.mfa_enrolled_at is None,
        )


class TurnOffView(Page):
    """Do without two-step verification: one action, by a current factor, where the policy permits."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if not policy().may_turn_off(self.me):
            return redirect("mfa_index")
        bindings.require_fresh(self.me, request.session)
        return self.show("mfa/turn_off.html")

    def post(self, request: HttpRequest) -> HttpResponseBase:
        removal.turn_off(self.me, request.session)
        return redirect("mfa_index")
