"""Groups of people, for platform administrators. Being in one grants nothing here; a policy may look at it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin.scope import FlowForm, ScopedAdmin, person_of
from accounts.errors import GroupInUse
from accounts.flows import groups
from accounts.policy import policy


class GroupForm(FlowForm):
    class Meta:
        model = Group
        fields = ("name",)
        widgets = {"name": forms.TextInput({"class": "vTextField", "autocomplete": "off"})}


@admin.register(Group)
class GroupAdmin(ScopedAdmin):
    """Made and deleted here; who is in one is said on the person's page. A group keeps its name."""

    platform_only = True
    form = GroupForm
    list_display = ("name", "members")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "members")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        groups: QuerySet[Any] = super().get_queryset(request).annotate(member_count=Count("user"))
        return groups

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name",) if obj is None else ("name", "members")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("name", "members")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.admits(person_of(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.admits(person_of(request))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Django's page, but for a group that a policy names: that is said instead, and the group stays."""
        try:
            group = self.get_object(request, unquote(object_id))
            if request.method != "POST" and (tenants := policy().group_in_use(group.name)):
                raise GroupInUse(tenants)
            return super().delete_view(request, object_id, extra_context)
        except GroupInUse as refusal:
            messages.error(request, str(refusal))
            return redirect(self.url_of(group))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[Any, int], set[Any], list[Any]]:
        """What goes with a group is only who was in it, which the confirmation says."""
        words = [
            ngettext(
                "%(group)s, with %(count)s person in it", "%(group)s, with %(count)s people in it", one.member_count
            )
            % {"group": one, "count": one.member_count}
            for one in objs
        ]
        return words, {self.opts.verbose_name_plural: len(words)}, set(), []

    def save_by_flow(self, request: HttpRequest, form: Any, change: bool) -> Group:
        return groups.create(form.cleaned_data["name"], actor=person_of(request))

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        groups.delete(obj, actor=person_of(request))

    @admin.display(description=_("people"), ordering="member_count")
    def members(self, group: Any) -> int:
        return int(group.member_count)
