"""“Does it still work?”: the spare key or a recovery code, tried without being used."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from accounts.assurance import Method, Proof
from accounts.errors import NotEnrolled
from accounts.flows import drills, methods
from accounts.forms import LONGEST_CODE
from accounts.models import Binding, Ceremony
from accounts.views.second_factor import FactorPage


class DrillView(FactorPage):
    """Asks for a key or a code as the second factor does, and keeps nothing of the proof."""

    template_name = "mfa/drill.html"
    purpose = Ceremony.Purpose.DRILL

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.person = self.me
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def offered(self) -> list[methods.Option]:
        """What there is to try, what is due first; what the policy accepts no more is worth knowing as well."""
        found = [option for option in methods.all_options(self.person) if option.method in drills.METHODS]
        kinds = {one.kind for one in self.due}
        return sorted(found, key=lambda option: option.method not in kinds)

    @cached_property
    def due(self) -> list[Binding]:
        return drills.due(methods.live(self.person), timezone.now())

    def check(self, method: Method | None) -> Proof:
        """What was tried, named as a proof is; nothing keeps it."""
        self.tried = self.try_out(method)
        return Proof(Method(self.tried.kind), timezone.now(), self.tried.pk)

    def try_out(self, method: Method | None) -> Binding:
        if method is Method.WEBAUTHN:
            return drills.check_key(self.person, self.request.session, self.request.POST.get("credential", ""))
        if method is Method.RECOVERY_CODE:
            entered = self.request.POST.get("code", "")[:LONGEST_CODE]
            return drills.check_code(self.person, self.request.session, entered)
        raise NotEnrolled

    def extra(self) -> dict[str, Any]:
        return {"due": self.due}

    def cancel(self) -> HttpResponseBase:
        return redirect("mfa_index")

    def proved(self, proof: Proof) -> HttpResponseBase:
        """Say that it works."""
        if proof.method is Method.WEBAUTHN:
            messages.success(self.request, _("“%(name)s” works.") % {"name": self.tried})
        else:
            messages.success(self.request, _("That code works, and is still unused. Keep it where it was."))
        return redirect("mfa_index")
