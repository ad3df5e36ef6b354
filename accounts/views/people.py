"""Home, and the mailed link that lets a new person in."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import LinkInvalid
from accounts.flows import invitations
from accounts.forms import NewPasswordForm
from accounts.gates import GatedRequest
from accounts.models import Binding
from accounts.views.base import Page, with_next


class HomeView(Page):
    """Where somebody lands who wanted nothing in particular."""

    def get(self, request: GatedRequest) -> HttpResponse:
        factors = Binding.objects.filter(person=self.me, unbound_at=None).exclude(kind=Binding.Kind.RECOVERY_CODE)
        return self.show("home.html", protected=factors.exists(), now=timezone.now())


class InvitationView(Page):
    """Set one's first password from the mailed link, then sign in with it."""

    def get(self, request: GatedRequest, token: str) -> HttpResponse:
        try:
            person = invitations.person_of(token)
        except LinkInvalid:
            return render(request, "accounts/invitation_invalid.html", status=404)
        return self.show("accounts/invitation_accept.html", form=NewPasswordForm(person=person), person=person)

    def post(self, request: GatedRequest, token: str) -> HttpResponseBase:
        try:
            person = invitations.person_of(token)
            form = NewPasswordForm(request.POST, person=person)
            if not form.is_valid():
                return self.show("accounts/invitation_accept.html", form=form, person=person)
            invitations.accept(token, form.cleaned_data["password1"])
        except LinkInvalid:
            return render(request, "accounts/invitation_invalid.html", status=404)
        messages.success(request, _("Your password is set. Sign in with it now."))
        return redirect(with_next("account_login", reverse("home")))
