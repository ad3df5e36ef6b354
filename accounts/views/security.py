"""The security overview, the choice of a method to set up, and turning two-step verification off."""

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.assurance import Method
from accounts.flows import admissions, drills, methods, recovery, removal
from accounts.flows import binding as bindings
from accounts.gates import GatedRequest
from accounts.models import Binding, User
from accounts.policy import policy
from accounts.views.base import Page
from accounts.views.presentation import Factor, enrolment_choices, factor


class SecurityView(Page):
    """What protects this account, and what can be done about it."""

    def get(self, request: GatedRequest) -> HttpResponse:
        me, asked = self.me, policy()
        allowed, live = asked.allowed_methods(me), methods.live(me)
        factors = [b for b in live if b.kind != Binding.Kind.RECOVERY_CODE]
        shown, now = self.shown(factors, allowed), timezone.now()
        return self.show(
            "mfa/index.html",
            status={
                "protected": bool(factors),
                "policy_sentence": _demand_sentence(me, demanded=asked.is_demanded(me)),
                "last_sign_in": me.last_login,
            },
            factors=shown,
            lacking=not any(one.accepted for one in shown),
            recovery=self.codes(live),
            suggestion=_suggestion(factors, allowed),
            add_url=reverse("mfa_enrol"),
            can_turn_off=bool(factors) and asked.may_turn_off(me),
            replacement_open=bindings.may_replace(me, request.session),
            drill=drills.due(live, now),
            can_drill=any(one.kind in drills.METHODS for one in live),
        )

    def shown(self, factors: list[Binding], allowed: tuple[Method, ...]) -> list[Factor]:
        """The factors as the page lists them, the policy's preferred kind marked where there is a choice."""
        now, first = timezone.now(), next((m for m in allowed if any(b.kind == m for b in factors)), None)
        choice, accepted = len({b.kind for b in factors}) > 1, methods.accepted(self.me, factors, allowed)
        removable = policy().removable(self.me)
        return [
            factor(
                b,
                preferred=choice and b.kind == first and b in accepted,
                can_remove=b.pk in removable,
                accepted=b in accepted,
                now=now,
            )
            for b in factors
        ]

    def codes(self, live: list[Binding]) -> dict[str, Any] | None:
        """How many recovery codes are left, or None without a set."""
        held = next((b for b in live if b.kind == Binding.Kind.RECOVERY_CODE), None)
        if held is None:
            return None
        url = reverse("mfa_generate_recovery_codes")
        return {"left": recovery.left(self.me), "total": held.codes.count(), "url": url}


def _demand_sentence(person: User, *, demanded: bool) -> str:
    values = {"tenant": person.tenant.name}
    if demanded:
        return _("%(tenant)s requires two-step verification.") % values
    return _("%(tenant)s leaves two-step verification to you.") % values


def _suggestion(factors: list[Binding], allowed: tuple[Method, ...]) -> str:
    """One more method is the difference between a lost phone and a lost day."""
    kinds = {b.kind for b in factors}
    if not factors:
        return ""
    if Method.WEBAUTHN in allowed and Method.WEBAUTHN not in kinds:
        return _("Add a passkey or a security key: it cannot be phished and needs no typing.")
    return _("You have one method. Add a second one for the day you lose it.") if len(factors) == 1 else ""


class EnrolView(Page):
    """Choose a method to set up; the first step of enrolment, forced or not."""

    def get(self, request: GatedRequest) -> HttpResponse:
        me = self.me
        admissions.require(me, request.session)
        owned = {binding.kind for binding in methods.live(me)}
        choices = enrolment_choices(
            tuple(m for m in policy().allowed_methods(me) if m is not Method.TOTP or m not in owned),
            self.next,
            passkeys=policy().passkey_login_allowed(me),
        )
        standing, why = request.gate, None
        if standing.explain is not None and standing.enrol:
            why = standing.explain()
        elif standing.grace:
            why = policy().explanation(me, request.session)
        return self.show(
            "mfa/enrol.html",
            choices=choices,
            forced=standing.enrol,
            deadline=standing.deadline,
            days_left=standing.days_left,
            tenant=me.tenant.name,
            why=why,
            steps=me.mfa_enrolled_at is None,
        )


class TurnOffView(Page):
    """Do without two-step verification: one action, by a current factor, where the policy permits."""

    def get(self, request: GatedRequest) -> HttpResponseBase:
        if not policy().may_turn_off(self.me):
            return redirect("mfa_index")
        bindings.require_fresh(self.me, request.session)
        return self.show("mfa/turn_off.html")

    def post(self, request: GatedRequest) -> HttpResponseBase:
        removal.turn_off(self.me, request.session)
        return redirect("mfa_index")
