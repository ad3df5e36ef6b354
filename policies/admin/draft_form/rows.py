"""The rows of a policy's form: who is excluded, and the policy's tests. Rows that nobody wrote into do not count."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms.formsets import TOTAL_FORM_COUNT
from django.utils.translation import gettext_lazy as _

from accounts.models.people import normalise_address
from policies import document as documents
from policies.admin.draft_form.fields import Words, boxes, words
from policies.admin.draft_form.ground import Ground
from policies.admin.draft_form.terms import EVERY, METHOD_NAMES, ROLE_NAMES, kept, source_name
from policies.document_fields import LONGEST, MOST
from policies.terms import ADMINISTRATOR, LOCAL, Excluded

if TYPE_CHECKING:
    RowFormSet = forms.BaseFormSet["Row"]
else:
    RowFormSet = forms.BaseFormSet

PERSON: Final = Excluded.PERSON.value
END_OF_DAY: Final = time(23, 59, 59)
LONGEST_EXCLUDE: Final = timedelta(days=365)
EMPTY: Final = 1  # rows below those there are
MORE: Final = 3  # at a time
EXPECTED: Final = (
    ("allowed", _("is let in")),
    ("in_grace", _("is let in during grace")),
    ("must_enrol", _("has to set something up")),
    ("denied", _("is not let in")),
)
KNOWN: Final = (("before", _("was here before it was demanded")), ("new", _("is new")))


class Row(forms.Form):
    """One row, on the ground of its form."""

    use_required_attribute = False

    def __init__(self, *args: Any, ground: Ground, named: Sequence[str] = (), **kwargs: Any) -> None:
        self.ground = ground
        super().__init__(*args, **{**kwargs, "label_suffix": ""})
        self.prepare(named)

    def prepare(self, named: Sequence[str]) -> None:
        """Fit the fields to the ground; `named` are the groups that the policy names."""

    @property
    def is_written(self) -> bool:
        """Whether there is anything in the row, so that removing it can be offered."""
        return self.has_changed() if self.is_bound else bool(self.initial)

    def typed(self) -> dict[str, Any]:
        """What stands in the row's fields, as it was typed."""
        return {
            name: field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
            for name, field in self.fields.items()
        }


class ExcludeRow(Row):
    """Whom nothing is demanded of, why, and until the end of which day."""

    whom = forms.ChoiceField(label=_("Whom"))
    address = forms.CharField(
        label=_("Mail address"),
        max_length=254,
        required=False,
        widget=forms.TextInput({"dir": "ltr", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    reason = words("reason", _("Why"), required=True)
    until = forms.DateField(
        label=_("Until the end of"),
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        error_messages={
            "invalid": _("Give a day, such as 2030-12-31."),
            "required": _("Give the day on which it ends."),
        },
    )

    def prepare(self, named: Sequence[str]) -> None:
        whom: Any = self.fields["whom"]
        whom.choices = self._choices()
        whom.error_messages["required"] = _("Say whom.")
        self.fields["reason"].error_messages["required"] = _("Say why.")
        self.fields["until"].widget.attrs["max"] = str(self.ground.today + LONGEST_EXCLUDE)

    def _choices(self) -> list[Any]:
        stated = {(one["kind"], one["value"]) for one in self.ground.document["excludes"]}
        sources = [one for one in self.ground.installed.sources if self.ground.installed.sso]
        sources += sorted(value for kind, value in stated if kind == Excluded.SOURCE and value not in sources)
        choices: list[Any] = [("", _("Choose…")), (PERSON, _("A person, by mail address"))]
        if self.ground.groups:
            choices.append((_("Groups"), [(f"group:{name}", name) for name in self.ground.groups]))
        choices += [(f"role:{role}", EVERY[role]) for role in documents.ROLES if role != ADMINISTRATOR]
        return choices + [(f"source:{name}", source_name(name)) for name in sources]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        whom, address = cleaned.get("whom"), cleaned.get("address", "")
        if whom == PERSON and not address and "address" not in self.errors:
            self.add_error("address", _("Give the mail address of somebody in this tenant."))
        elif whom and whom != PERSON and address:
            self.add_error("address", _("Leave this empty, or choose “A person, by mail address”."))
        if (until := cleaned.get("until")) is not None and until != self._stated_day():
            self._judge_day(until)
        return cleaned

    def _stated_day(self) -> date | None:
        stated = self.stated(self.cleaned_data.get("address", ""))
        return None if stated is None else self.ground.day_of(stated["until"])

    def _judge_day(self, day: date) -> None:
        if day < self.ground.today:
            self.add_error("until", _("Choose a day that is not over."))
        elif day > self.ground.today + LONGEST_EXCLUDE:
            self.add_error("until", _("An exclude ends within a year."))

    def stated(self, person: str) -> Mapping[str, str] | None:
        """What the document states of whom this row names; of a person by `person`, an id or an address."""
        kind, value = self.named(person)
        for one in self.ground.document["excludes"]:
            shown = self.ground.address_of(one["value"]) if one["kind"] == PERSON else one["value"]
            if one["kind"] == kind and value in (one["value"], shown):
                return dict(one)
        return None

    def named(self, person: str) -> tuple[str, str]:
        """Kind and value of whom the row names; `person` is the value of a person."""
        kind, _colon, value = self.cleaned_data.get("whom", "").partition(":")
        return (kind, normalise_address(person)) if kind == PERSON else (kind, value)

    def entry(self, person: str) -> dict[str, str]:
        """The exclude that a clean row states; `person` is the id of whoever has the typed address."""
        kind, value = self.named(person)
        stated = self.stated(person) or {"reason": "", "until": ""}
        until = self.cleaned_data["until"]
        if stated["until"] and self.ground.day_of(stated["until"]) == until:
            moment = stated["until"]
        else:
            moment = datetime.combine(until, END_OF_DAY, tzinfo=self.ground.zone).isoformat()
        return {
            "kind": kind,
            "value": value,
            "reason": kept(stated["reason"], self.cleaned_data["reason"]),
            "until": moment,
        }


class TestRow(Row):
    """Somebody who signs in, and what is expected to come of it."""

    __test__: ClassVar[bool] = False  # not one of ours

    name = Words(label=_("What is tested"), max_length=LONGEST["test"])
    role = forms.ChoiceField(label=_("Somebody who is"), initial=documents.ROLES[0])
    known = forms.ChoiceField(label=_("and"), choices=KNOWN, initial="before")
    methods = boxes(_("with"), ())
    groups = boxes(_("in the groups"), ())
    source = forms.ChoiceField(label=_("signing in by"), initial=LOCAL)
    expect = forms.ChoiceField(label=_("Expected: such a person"), choices=EXPECTED, initial="allowed")

    def prepare(self, named: Sequence[str]) -> None:
        fields: dict[str, Any] = self.fields
        fields["name"].error_messages["required"] = _("Say what is tested.")
        fields["role"].choices = [(role, ROLE_NAMES[role]) for role in documents.ROLES]
        fields["methods"].choices = [(one, METHOD_NAMES[one]) for one in self.ground.installed.methods]
        fields["groups"].choices = [(name, name) for name in named]
        stated = [one["source"] for one in self.ground.document["tests"]]
        sources = dict.fromkeys([*self.ground.installed.sources, *stated])
        fields["source"].choices = [(name, source_name(name)) for name in sources]
        if not self.ground.installed.sso:
            del fields["source"]
        if not named:
            del fields["groups"]


def exclude_initial(ground: Ground) -> list[dict[str, Any]]:
    """The excludes of the ground's document as rows."""
    return [
        {
            "whom": PERSON if one["kind"] == PERSON else f"{one['kind']}:{one['value']}",
            "address": ground.address_of(one["value"]) if one["kind"] == PERSON else "",
            "reason": one["reason"],
            "until": ground.day_of(one["until"]),
        }
        for one in ground.document["excludes"]
    ]


def test_initial(ground: Ground) -> list[dict[str, Any]]:
    """The tests of the ground's document as rows."""
    return [dict(one) for one in ground.document["tests"]]


class Rows(RowFormSet):
    """The rows of one kind. What is sent says how many there are; none of them is there for good."""

    def initial_form_count(self) -> int:
        """Of rows that are sent none has to be filled in: an emptied one is a removed one."""
        return 0 if self.is_bound else super().initial_form_count()

    def clean(self) -> None:
        """Raise ValidationError for a count that is none: it would take every row away."""
        if (self.management_form.cleaned_data[TOTAL_FORM_COUNT] or 0) < 0:
            raise ValidationError(_("Open this page once more: its rows came in disorder."), code="count")

    def filled(self) -> list[Any]:
        """The clean rows that somebody wrote into, but those to be removed."""
        return [row for row in self.forms if row.has_changed() and row not in self.deleted_forms]

    def typed(self) -> list[dict[str, Any]]:
        """Everything that somebody wrote, as it was typed."""
        return [row.typed() for row in self.forms if row.has_changed()]


def rows_of(row: type[Row], most: int) -> type[Rows]:
    """The class of the rows of a kind; at most so many."""
    made: Any = forms.formset_factory(
        row,
        formset=Rows,
        extra=EMPTY,
        can_delete=True,
        max_num=most,
        absolute_max=most + MORE,
        validate_max=True,
    )
    return made  # type: ignore[no-any-return]


ExcludeRows: Final = rows_of(ExcludeRow, MOST["excludes"])
TestRows: Final = rows_of(TestRow, MOST["tests"])
TestRows.__test__ = False  # type: ignore[attr-defined]  # not one of ours
