"""Recovery codes: shown in the answer to the POST that made them, and nowhere else.

They are kept neither in the session nor in a cache: the page that shows them carries them to the download,
which prints back only codes that are this person's current set.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.assurance import Method
from accounts.errors import NotEnrolled
from accounts.flows import recovery
from accounts.forms import SavedForm
from accounts.gates import GatedRequest
from accounts.policy import policy
from accounts.views.base import Page, next_url
from audit.kinds import Kind
from audit.log import record


class RecoveryCodesView(Page):
    """How many are left; and, by POST, “I have saved them”."""

    def get(self, request: GatedRequest) -> HttpResponse:
        current = recovery.current_set(self.me)
        return self.show(
            "mfa/recovery_codes/index.html",
            unused_count=recovery.left(self.me),
            total=current.codes.count() if current else 0,
            made_at=current.bound_at if current else None,
            weak=current.codes.filter(weak=True, used_at=None).exists() if current else False,
        )

    def post(self, request: GatedRequest) -> HttpResponseBase:
        form = SavedForm(request.POST)
        if form.is_valid():
            record(Kind.RECOVERY_CODES_SAVED, actor=self.me, target=self.me)
            return redirect(next_url(request, "mfa_index"))
        codes = request.POST.getlist("codes")[:20]
        if not recovery.are_current(self.me, codes):
            return redirect("mfa_view_recovery_codes")
        record(Kind.RECOVERY_CODES_VIEWED, actor=self.me, target=self.me, count=len(codes))
        return show_codes(request, codes, form, steps="steps" in request.POST)


class GenerateRecoveryCodesView(Page):
    """A new set in the place of the old one."""

    def get(self, request: GatedRequest) -> HttpResponse:
        return self.show("mfa/recovery_codes/generate.html", unused_count=recovery.left(self.me))

    def post(self, request: GatedRequest) -> HttpResponse:
        return show_codes(request, recovery.make(self.me, request.session))


class DownloadRecoveryCodesView(Page):
    """The codes that the page shows, as a text file. By POST, with the codes in the body: no secret in a URL."""

    def post(self, request: GatedRequest) -> HttpResponseBase:
        codes = request.POST.getlist("codes")[:20]
        if not recovery.are_current(self.me, codes):
            raise NotEnrolled
        record(Kind.RECOVERY_CODES_DOWNLOADED, actor=self.me, target=self.me)
        lines = [
            _("Recovery codes for %(account)s at %(tenant)s")
            % {"account": self.me.email, "tenant": self.me.tenant.name},
            _("Each works once. Keep them in a password manager or on paper."),
            "",
            *codes,
        ]
        response = HttpResponse("\r\n".join(lines) + "\r\n", content_type="text/plain; charset=utf-8")
        name = slugify(self.me.tenant.name) or "gatehouse"
        response["Content-Disposition"] = f'attachment; filename="{name}-recovery-codes.txt"'
        return response


def show_codes(
    request: HttpRequest, codes: list[str], form: SavedForm | None = None, *, steps: bool = False
) -> HttpResponse:
    """The page with the codes, never cached; `steps` shows it as the last step of a first enrolment."""
    response = render(
        request,
        "mfa/recovery_codes/show.html",
        {
            "codes": codes,
            "person": request.user,
            "created_at": timezone.now(),
            "form": form or SavedForm(),
            "next": next_url(request),
            "steps": steps,
        },
    )
    add_never_cache_headers(response)
    return response


def finish_enrolment(request: GatedRequest, *, first: bool, wanted: str) -> HttpResponseBase:
    """What follows a new factor: recovery codes after the first one, if the policy allows them, else onwards."""
    person = request.user
    person.refresh_from_db()
    wants_codes = first and Method.RECOVERY_CODE in policy().allowed_methods(person)
    if wants_codes and recovery.current_set(person) is None:
        return show_codes(request, recovery.make(person, request.session, first=True), steps=True)
    return redirect(wanted or "mfa_index")
