"""What every page of the admin shares: whose objects somebody sees, and that flows do the saving.

Closed by default. Permissions come from the role, never from Django's permission tables: an administrator looks
at the objects of their own tenant, a platform administrator at all; nobody adds, changes or deletes anything
unless the subclass says so, and then a flow does it, and records it.

What is outside somebody's scope does not exist for them: lists, details, histories, actions, choices of other
forms and autocompletes all go through `get_queryset`, and an id it does not hold is answered with 404.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import Field, Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from accounts.errors import AccountsError, NotAllowed, NotFresh
from accounts.flows import viewing
from accounts.scope import events_seen_by
from accounts.views.base import refused
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditEvent

if TYPE_CHECKING:
    from accounts.models import User

    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin = admin.ModelAdmin
    ModelForm = forms.ModelForm

HISTORY_PAGE = 100  # events


class FlowForm(ModelForm):
    """A form that a flow saves: when the flow refuses, its sentence is shown above what was typed."""

    refusal: ClassVar[AccountsError | None] = None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refusal is not None:
            self.add_error(None, str(self.refusal))
        return cleaned


class ScopedList(ChangeList):
    """A list named by what is in it, whose links carry the id that the admin shows: it need not be the primary key.

    `why_empty` is said in place of rows that were not looked for.
    """

    model_admin: "ScopedAdmin"
    why_empty: str = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pk_attname = self.model_admin.id_field
        if not self.is_popup:
            self.title = capfirst(str(self.opts.verbose_name_plural))

    def url_for_result(self, result: Model) -> str:
        return self.model_admin.url_of(result)


class ScopedAdmin(ModelAdmin):
    """One model in the admin, seen by those who answer for its tenant.

    `tenant_path` leads from the model to the tenant, as in a lookup; `platform_only` closes the model to tenants'
    administrators, and then there need be no path. `id_field` is a unique field that stands for an object in URLs
    and in lists of chosen ids. `empty_list` is what a list with nothing in it says.
    """

    tenant_path: ClassVar[str]
    platform_only: ClassVar[bool] = False
    id_field: ClassVar[str] = "pk"
    empty_list: ClassVar[str | Promise] = _("There is nothing here yet.")
    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    view_on_site = False
    object_history_template = "admin/accounts/history.html"

    # -- who sees what ---------------------------------------------------------------------------------------

    def visible_to(self, person: "User") -> Q:
        """The condition on the objects that this person may look at."""
        if not self.admits(person):
            return Q(pk__in=[])
        return Q() if person.is_superuser else Q(**{self.tenant_path: person.tenant_id})

    def admits(self, person: "User") -> bool:
        """Whether this person may look at objects of this kind at all."""
        if not (person.is_active and person.is_staff):
            return False
        return person.is_superuser or not self.platform_only

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(self.visible_to(person_of(request)))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The object, if it is in scope. Raises Http404 otherwise, whether or not it exists."""
        name = self.id_field if from_field is None else from_field
        return self.get_queryset(request).filter(**{name: self.parse_ids([object_id])[0]}).first() or not_here()

    def parse_ids(self, texts: Sequence[str]) -> list[Any]:
        """Ids as values of the model's id field. Raises Http404 for what is none."""
        try:
            return [self._id.to_python(text) for text in texts]
        except (ValidationError, ValueError):
            raise Http404 from None

    def chosen(self, request: HttpRequest, texts: Sequence[str]) -> QuerySet[Any]:
        """The objects with these ids. Raises Http404 unless each of them is in scope."""
        ids = set(self.parse_ids(texts))
        found = self.get_queryset(request).filter(**{f"{self.id_field}__in": ids})
        return found if found.count() == len(ids) else not_here()

    def url_of(self, thing: Model, page: str = "change") -> str:
        """The address of an object's page in the admin."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[getattr(thing, self.id_field)])

    @property
    def _id(self) -> "Field[Any, Any]":
        return self.opts.pk if self.id_field == "pk" else self.opts.get_field(self.id_field)  # type: ignore[return-value]

    # -- what they may do ------------------------------------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.admits(person_of(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.admits(person_of(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # -- what a query string may ask -------------------------------------------------------------------------

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what the filters beside the list offer: any other lookup is a way to guess at columns."""
        offered: Any = self.list_filter if request is None else self.get_list_filter(request)
        return lookup in {one.parameter_name for one in offered}

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Objects are named by their id alone: naming them by another column would show it."""
        try:
            return self.opts.get_field(to_field) is self._id
        except FieldDoesNotExist:
            return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ScopedList

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without Django's buttons that add or change what a field points to: that has a page of its own."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self.choices_of(db_field.remote_field.model, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self.choices_of(db_field.remote_field.model, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def choices_of(self, model: type[Model], request: HttpRequest) -> QuerySet[Any]:
        """What a form here may point to: the objects that the person could look at."""
        if not self.admin_site.is_registered(model):
            return model._default_manager.none()
        return self.admin_site.get_model_admin(model).get_queryset(request)

    # -- actions ---------------------------------------------------------------------------------------------

    def action_checkbox(self, obj: Any) -> SafeString:
        """Django's box, named after what it selects; a widget's template takes longer than all the rest of the row."""
        name = _("Select %(object)s") % {"object": obj}
        box = '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">'
        return format_html(box, ACTION_CHECKBOX_NAME, getattr(obj, self.id_field), name)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> Any:
        """Run an action on what was chosen. Raises Http404 if any of it is out of scope: then nothing is done."""
        found = self.chosen(request, request.POST.getlist(ACTION_CHECKBOX_NAME))
        data = request.POST.copy()
        data.setlist(ACTION_CHECKBOX_NAME, [str(pk) for pk in found.values_list("pk", flat=True)])
        request.POST = data  # type: ignore[assignment]
        return super().response_action(request, queryset, *args)

    # -- saving, by flows ------------------------------------------------------------------------------------

    def save_by_flow(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Have a flow do what the form says; returns the object. Subclasses that allow saving define it."""
        raise PermissionDenied

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form with the fields of the page alone: a declared field that is not on it takes nothing either."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        if (shown := kwargs.get("fields")) is not None:
            for name in form.base_fields.keys() - set(shown):
                del form.base_fields[name]
        form.refusal = getattr(request, "refusal", None)
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Django's view; what a flow refuses is undone and recorded, and the form is shown again with the reason.

        Who lost a race (the same thing twice, or a name just taken) is looked at once more: then the form says so.
        """
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except NotFresh as refusal:
            note_refusal(request, refusal)
            return refused(request, refusal)
        except AccountsError as refusal:
            note_refusal(request, refusal)
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (IntegrityError, ValidationError):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        return self.save_by_flow(request, form, change)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing: the flow has saved it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: the flow has saved it."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Subclasses that allow deleting call a flow here."""
        raise PermissionDenied

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        raise PermissionDenied

    # -- history ---------------------------------------------------------------------------------------------

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the flow has recorded it, and Django's own log of the admin is not the record."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the flow has recorded it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Nothing: the flow has recorded it."""

    def events_of(self, thing: Any) -> QuerySet[AuditEvent]:
        """The recorded events about an object."""
        return AuditEvent.objects.filter(target_type=self.opts.label_lower, target_id=str(thing.pk))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the record holds about one object, newest first; of their own tenant's chain for administrators.

        It is shown once it is recorded that somebody looks: this is the record, with its sentences and addresses.
        """
        thing = self.get_object(request, unquote(object_id))
        viewing.looked_at(viewing.HISTORY, thing, actor=person_of(request))
        events = self.events_of(thing).filter(events_seen_by(person_of(request)))
        context = {
            **self.admin_site.each_context(request),
            "title": _("History"),
            "subtitle": str(thing),
            "events": Paginator(events, HISTORY_PAGE).get_page(request.GET.get("p")),
            "module_name": capfirst(self.opts.verbose_name_plural),
            "object": thing,
            "object_url": self.url_of(thing),
            "opts": self.opts,
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.object_history_template, context)


def person_of(request: HttpRequest) -> "User":
    """Who asks; the gate and `AdminSite.has_permission` have seen to it that it is a member of staff."""
    return request.user  # type: ignore[return-value]


def note_refusal(request: HttpRequest, refusal: AccountsError) -> None:
    """Record that somebody tried to change what they may not, or not so late after their last proof.

    Called once what was tried is undone, so that the record stays. What was typed wrong is no such refusal, and being
    asked for a proof before a form is shown is none either.
    """
    if request.method == "POST" and isinstance(refusal, NotAllowed | NotFresh):
        record(Kind.ADMIN_REFUSED, actor=person_of(request), page=request.path, reason=refusal.code)


def not_here() -> Any:
    """Raise Http404: the same answer for what does not exist and for what is another tenant's."""
    raise Http404
