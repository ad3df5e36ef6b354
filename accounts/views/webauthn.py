"""Pages for security keys and passkeys: list, add, rename, remove, and sign in with a passkey alone."""

import uuid
from dataclasses import asdict
from typing import Any

from allauth.account.models import Login
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import allauth_compat
from accounts.assurance import Method
from accounts.authenticators.webauthn_errors import WebAuthnError
from accounts.errors import AccountsError, LastAuthenticator, MethodNotAllowed
from accounts.flows import binding as bindings
from accounts.flows import keys, methods, removal, sign_in
from accounts.forms_webauthn import AddKeyForm, KeyNameForm
from accounts.gates import GatedRequest
from accounts.models import Binding
from accounts.policy import policy
from accounts.views.base import Page, next_url, with_next
from accounts.views.presentation import factor, key_demands, products
from accounts.views.recovery_codes import finish_enrolment


class KeysView(Page):
    """The person's keys and passkeys."""

    def get(self, request: GatedRequest) -> HttpResponse:
        owned = [binding for binding in methods.live(self.me) if binding.kind == Method.WEBAUTHN]
        accepted = methods.accepted(self.me, owned, policy().allowed_methods(self.me))
        removable = policy().removable(self.me)
        items = [_item(each, accepted=each in accepted, removable=each.pk in removable) for each in owned]
        return self.show("mfa/webauthn/authenticator_list.html", items=items, lacking=not accepted)


def _item(binding: Binding, *, accepted: bool, removable: bool) -> dict[str, Any]:
    """One key as the list shows it."""
    shown = factor(binding, preferred=False, can_remove=removable, accepted=accepted, now=timezone.now())
    return {**asdict(shown), "backed_up": binding.credential.backed_up}


class AddKeyView(Page):
    """Register a key, or with `?passkey=1` a passkey that signs in by itself."""

    def get(self, request: GatedRequest) -> HttpResponse:
        return self.offer(AddKeyForm())

    def post(self, request: GatedRequest) -> HttpResponseBase:
        form = AddKeyForm(request.POST)
        if not form.is_valid():
            return self.offer(form)
        first = self.me.mfa_enrolled_at is None
        answer, name = form.cleaned_data["credential"], form.cleaned_data["name"]
        try:
            keys.add(self.me, request.session, answer, name=name)
        except WebAuthnError as refusal:
            form.add_error(None, str(refusal))
            return self.offer(form)
        return finish_enrolment(request, first=first, wanted=next_url(request))

    def offer(self, form: AddKeyForm) -> HttpResponse:
        """The page with the options of a new ceremony."""
        passkey = bool(self.request.GET.get("passkey"))
        asked = policy().key_rules(self.me)
        return self.show(
            "mfa/webauthn/add_form.html",
            form=form,
            creation_options=keys.begin_adding(self.me, self.request.session, passwordless=passkey),
            passkey=passkey,
            demands=key_demands(asked, passkey=passkey),
            products=products(asked.allowed),
            steps=self.me.mfa_enrolled_at is None,
        )


class RenameKeyView(Page):
    """Another name for a key."""

    def get(self, request: GatedRequest, binding_id: uuid.UUID) -> HttpResponse:
        bindings.require_fresh(self.me, request.session)
        key = keys.key_of(self.me, binding_id)
        return self.show("mfa/webauthn/edit_form.html", form=KeyNameForm(initial={"name": key.name}))

    def post(self, request: GatedRequest, binding_id: uuid.UUID) -> HttpResponseBase:
        form = KeyNameForm(request.POST)
        if not form.is_valid():
            return self.show("mfa/webauthn/edit_form.html", form=form)
        keys.rename(self.me, request.session, binding_id, form.cleaned_data["name"])
        messages.success(request, _("The new name is saved."))
        return redirect("mfa_index")


class RemoveKeyView(Page):
    """Take a key out of use, after asking once more."""

    def get(self, request: GatedRequest, binding_id: uuid.UUID) -> HttpResponse:
        bindings.require_fresh(self.me, request.session)
        key = keys.key_of(self.me, binding_id)
        if not policy().may_remove(self.me, key.pk):
            raise LastAuthenticator
        return self.show("mfa/webauthn/authenticator_confirm_delete.html", item={"name": str(key)})

    def post(self, request: GatedRequest, binding_id: uuid.UUID) -> HttpResponseBase:
        key = keys.key_of(self.me, binding_id)
        removal.remove(self.me, request.session, key.pk)
        messages.success(request, _("“%(name)s” is removed.") % {"name": key})
        return redirect("mfa_index")


class PasskeyLoginView(Page):
    """Sign in with a passkey and nothing else: GET gives the browser its options, POST takes its answer."""

    def get(self, request: GatedRequest) -> HttpResponse:
        return JsonResponse(keys.begin_passkey(request.session))

    def post(self, request: GatedRequest) -> HttpResponseBase:
        wanted = next_url(request)
        if request.user.is_authenticated:
            return redirect(wanted or "home")
        try:
            person, proof = keys.check_passkey(request.session, request.POST.get("credential", ""))
        except (WebAuthnError, MethodNotAllowed) as refusal:
            return self.back(refusal, wanted)
        sign_in.start(request.session, person, proof)
        return allauth_compat.perform_login(request, Login(user=person, redirect_url=wanted or None))

    def back(self, refusal: AccountsError, wanted: str) -> HttpResponseBase:
        """To the sign-in page, told why, the destination kept."""
        messages.error(self.request, str(refusal))
        return redirect(with_next("account_login", wanted))
