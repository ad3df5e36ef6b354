"""Our admin site: behind the gate as every page is, without a password form, grouped by what one comes for.

No view here carries a mark, so the gate judges each of them. What the gate lets through this site narrows: to
staff, to admins that know tenants, and to pages that tell nothing of other tenants.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, SuspiciousOperation
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views import View

from accounts.flows import sign_in
from accounts.models import HelpRequest, Intervention
from accounts.views.base import next_url, with_next
from audit.kinds import Kind
from audit.log import record
from policies.flows import attention
from policies.rollout.under_way import under_way

ROOMS: Final = frozenset({"config", "policies", "accounts", "audit"})
GROUPS: Final[tuple[tuple[str, str | Promise, tuple[str, ...]], ...]] = (
    (
        "enforcement",
        _("Enforcement"),
        ("policies.mfapolicy", "policies.campaign", "policies.reminder", "accounts.tenant"),
    ),
    (
        "people",
        _("People"),
        (
            "accounts.user",
            "accounts.binding",
            "accounts.session",
            "accounts.helprequest",
            "accounts.intervention",
            "accounts.notice",
            "auth.group",
        ),
    ),
    ("evidence", _("Evidence"), ("audit.auditevent",)),
    ("operations", _("Operations"), ("django_tasks_database.dbtaskresult",)),
)
REFUSALS: Final[dict[type[Exception], str]] = {
    PermissionDenied: "not_allowed",
    Http404: "not_found",
    SuspiciousOperation: "not_offered",
}


class Autocomplete(AutocompleteJsonView):
    """Choices for a field of a form here, from what the person could look at. Http404 for anything else."""

    admin_site: AdminSite

    def process_request(self, request: HttpRequest) -> Any:
        try:
            model = apps.get_model(request.GET["app_label"], request.GET["model_name"])
            field = model._meta.get_field(request.GET["field_name"])
        except (KeyError, LookupError, ValueError, FieldDoesNotExist):
            raise Http404 from None
        if not (self.admin_site.is_registered(model) and field.concrete and field.is_relation):
            raise Http404
        return super().process_request(request)


class GatehouseAdminSite(AdminSite):
    """Django's admin behind the same gate as every page."""

    index_title = _("Overview")

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.pages: list[tuple[str, str, type[View]]] = []
        self.disable_action("delete_selected")  # deleting goes through flows, one by one

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take our own rooms' admins alone.

        Those that packages bring (allauth's authenticators and addresses, Django's groups, task results) know
        nothing of tenants, and some show secrets; they are left out, also the ones of packages yet to come.
        """
        if admin_class is not None and admin_class.__module__.partition(".")[0] in ROOMS:
            super().register(model_or_iterable, admin_class, **options)

    def add_pages(self, pages: Iterable[tuple[str, str, type[View]]]) -> None:
        """Pages about no one model, each with its path, the name of its URL, and a view that takes `site`."""
        self.pages.extend(pages)

    def has_permission(self, request: HttpRequest) -> bool:
        """Administrators. What they must have proved is the gate's business."""
        return request.user.is_active and request.user.is_staff

    # -- pages of the site -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's, without the redirect to any object's own page: it tells which ids exist, whoever asks."""
        pages = [path(where, self.admin_view(page.as_view(site=self)), name=name) for where, name, page in self.pages]
        return [*pages, *(one for one in super().get_urls() if getattr(one, "name", None) != "view_on_site")]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Django's, with every refusal recorded: who tried what they may not, or what is not theirs."""
        inner = super().admin_view(view, cacheable)

        def recorded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return inner(request, *args, **kwargs)
            except tuple(REFUSALS) as refusal:
                reason = next(code for kind, code in REFUSALS.items() if isinstance(refusal, kind))
                record(Kind.ADMIN_REFUSED, actor=request.user, page=request.path, reason=reason)
                raise

        return update_wrapper(recorded, inner)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Where everybody signs in. Raises PermissionDenied (recorded) for who is signed in and no administrator."""
        wanted = next_url(request, reverse("admin:index"))
        if not request.user.is_authenticated:
            return redirect(with_next("account_login", wanted))
        if self.has_permission(request):
            return redirect(wanted)
        record(Kind.ADMIN_REFUSED, actor=request.user, page=wanted, reason="not_staff")
        raise PermissionDenied

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method != "POST":
            return redirect("account_logout")
        sign_in.sign_out(request)
        return redirect("account_login")

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return redirect("account_change_password")

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return redirect("mfa_index")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The overview: what waits for the person, what is under way in their policies, and what needs an operator."""
        person: Any = request.user
        now = timezone.now()
        shown = {
            "under_way": under_way(person, now),
            "attention": attention.needed(now) if person.is_superuser else None,
            "waiting": self.waiting_for(request),
        }
        return super().index(request, {**shown, **(extra_context or {})})

    def waiting_for(self, request: HttpRequest) -> dict[str, int]:
        """How many acts the person may decide, and how many open requests for help they see. Two queries.

        Acts that they asked for, or that are about them, others decide.
        """
        person: Any = request.user
        acts = self.get_model_admin(Intervention).get_queryset(request).filter(state=Intervention.State.ASKED)
        requests = self.get_model_admin(HelpRequest).get_queryset(request).filter(closed_at=None)
        return {
            "acts": acts.exclude(Q(requested_by=person.pk) | Q(person=person)).count(),
            "requests": requests.count(),
        }

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return Autocomplete.as_view(admin_site=self)(request)

    # -- what every page shows -------------------------------------------------------------------------------

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        name = settings.SITE_NAME
        return {**super().each_context(request), "site_title": name, "site_header": name}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The models by purpose; those of one app where a page asks for an app."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        apps_shown = self._build_app_dict(request).values()
        models = {one["model"]._meta.label_lower: one for app in apps_shown for one in app["models"]}
        groups = [group for group in _grouped(models) if group["models"]]
        for group in groups:
            if group["app_label"] == "enforcement":
                group["models"].append(_status_entry())
        return groups

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """None: Django's log of the admin is not kept. What happened is in the record."""
        return LogEntry.objects.none()


def _status_entry() -> dict[str, Any]:
    """The page of the MFA status among the models, as a list of models shows it."""
    url = reverse("admin:mfa_status")
    entry = {"name": _("MFA status"), "object_name": "MFAStatus", "admin_url": url}
    return {**entry, "model": None, "add_url": None, "perms": {}, "view_only": True}


def _grouped(models: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The groups in their order; a model that is in none of them comes last, so that nothing is lost."""
    known = {label for _slug, _name, labels in GROUPS for label in labels}
    others = tuple(sorted(models.keys() - known))
    for slug, name, labels in (*GROUPS, ("others", _("Others"), others)):
        yield {
            "name": name,
            "app_label": slug,
            "app_url": f"{reverse('admin:index')}#{slug}",
            "has_module_perms": True,
            "models": [models[label] for label in labels if label in models],
        }
