"""A policy's document as a form, and back.

What is typed becomes one whole document, which `policies.document`, the platform's floor and the site's ceilings
judge. A form that is sent as it came states what it was made from.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from accounts.assurance import Method
from accounts.models import User
from accounts.models.people import normalise_address
from policies import document as documents
from policies import floor as floors
from policies.admin.draft_form import fitting, reading, rows, writing
from policies.admin.draft_form.ground import Ground, groups_in
from policies.admin.draft_form.rules import RuleFields

BELOW: Final = _("The platform demands more of every tenant.")
SHOWN_AT: Final = {
    "scope": "scope_who",
    "break_glass": "break_glass_1",
    "trusted_browser_days": "enforcement",
    "attestation": "attested",
}
"""Where an error of the document is shown, if there is no field of the same name."""
ACCOUNTS: Final = ("break_glass_1", "break_glass_2")


class DraftForm(RuleFields):
    """One policy's rules. After `is_valid`, `document` is what they state: valid, and not below the floor.

    `refused` holds a sentence for each rule that is wrong and has no field of its own. `begun` are
    the marks of what the form was begun from: `draft`, `revision`, `based_on`.
    """

    def __init__(
        self, data: Any = None, *, ground: Ground, typed: Mapping[str, Any] | None = None, **begun: Any
    ) -> None:
        """`data` is what was sent, to be judged; `typed`, from `typed()`, is shown again without being judged."""
        self.ground = ground
        self.document: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        super().__init__(data, initial={**reading.initial(ground), **begun, **(typed or {})}, label_suffix="")
        fitting.fit(self.fields, ground)
        named = self._named_groups(typed or {})
        shared: dict[str, Any] = {"data": data, "form_kwargs": {"ground": ground, "named": named}}
        stated = {"excludes": rows.exclude_initial(ground), "tests": rows.test_initial(ground), **(typed or {})}
        first = {} if self.is_bound else stated  # of rows that are sent, only what is in them counts
        self.excludes = rows.ExcludeRows(prefix="excludes", initial=first.get("excludes"), **shared)
        self.tests = rows.TestRows(prefix="tests", initial=first.get("tests"), **shared)
        for name, kind in self.kinds.items():
            kind.extra = stated.get(f"{name}_empty", rows.EMPTY)

    def typed(self) -> dict[str, Any]:
        """What was sent, as it was typed, and more empty rows: for another form that shows it unjudged."""
        values = {
            name: field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
            for name, field in self.fields.items()
            if not field.disabled
        }
        values["named"] = self._named_groups({})
        for name, kind in self.kinds.items():
            values[name] = kind.typed()
            values[f"{name}_empty"] = len(kind.forms) - len(values[name]) + rows.MORE
        return values

    @property
    def kinds(self) -> dict[str, rows.Rows]:
        """The rows, by what they are rows of."""
        return {"excludes": self.excludes, "tests": self.tests}

    def _named_groups(self, typed: Mapping[str, Any]) -> list[str]:
        """The groups that a test may be about: those the policy names, also since a moment ago."""
        sent: list[str] = list(typed.get("named", []))
        if self.is_bound:
            data: Any = self.data
            whom = [data[name] for name in data if name.startswith("excludes-") and name.endswith("-whom")]
            sent = [*data.getlist("scope_groups"), *[one.removeprefix("group:") for one in whom]]
        return [one for one in dict.fromkeys([*groups_in(self.ground.document), *sent]) if one in self.ground.groups]

    # -- judging -----------------------------------------------------------------------------------------------

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        people: dict[str, User | str] = {}
        accounts: list[str] = []
        if all([self.excludes.is_valid(), self.tests.is_valid()]):
            people = self._people()
            self._find_excluded(people)
            accounts = self._accounts(people)
        self._judge_places()
        if not (self.excludes.is_valid() and self.tests.is_valid()):
            self.add_error(None, _("Some of the rows have to be corrected."))
        if not self.errors:
            self._judge(self._stated(cleaned, people, accounts))
        return cleaned

    def refuse(self, errors: Mapping[str, Any]) -> None:
        """Show what is wrong with the document, each sentence at its rule."""
        for key, sentence in errors.items():
            name = key if key in self.fields else SHOWN_AT.get(key, "")
            if name in self.fields:
                self.add_error(name, sentence)
            else:
                self.refused[key] = str(sentence)
                self.add_error(None, _("A rule below has to be corrected."))

    def _judge(self, document: dict[str, Any]) -> None:
        try:
            documents.validate(document)
        except documents.DocumentError as error:
            self.refuse(error.errors)
            return
        below = floors.below(document, self.ground.floor)
        self.refuse({**dict.fromkeys(below, BELOW), **self._beyond_the_site(document)})
        if not self.errors:
            self.document = document

    def _beyond_the_site(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What nobody could meet with the methods that this site has, though a document may state it."""
        usable = set(self.ground.installed.methods) & set(document["allowed"])
        if documents.demands(document) and not usable & {Method.WEBAUTHN.value, Method.TOTP.value}:
            return {"allowed": _("Nobody could enrol on this site: allow security keys or an app.")}
        is_strong = "phishing_resistant" in document["strength"].values()
        if documents.demands(document) and is_strong and Method.WEBAUTHN.value not in usable:
            return {"strength": _("Only keys and passkeys resist phishing, and this site has none: demand less.")}
        return {}

    def _judge_places(self) -> None:
        places = [self.cleaned_data.get(f"place_{method}") for method in self.ground.methods]
        taken = [place for place in places if place]
        if len(set(taken)) < len(taken):
            self.refuse({"allowed": _("Two methods have the same place: give each its own.")})

    # -- people, by their addresses ------------------------------------------------------------------------------

    def _people(self) -> dict[str, User | str]:
        """Whoever is named by an address, found in this tenant alone; ids for those who left, and are named still."""
        typed = [
            row.cleaned_data["address"] for row in self.excludes.filled() if row.cleaned_data["whom"] == rows.PERSON
        ]
        typed += [self.cleaned_data.get(name, "") for name in ACCOUNTS]
        wanted = {normalise_address(one) for one in typed if one}
        found = User.objects.filter(tenant=self.ground.policy.tenant_id, email__in=wanted) if wanted else []
        stated = [one["value"] for one in self.ground.document["excludes"]] + self.ground.document["break_glass"]
        gone: dict[str, User | str] = {one: one for one in stated if one not in self.ground.people}
        return gone | {person.email: person for person in found}

    def _find_excluded(self, people: Mapping[str, User | str]) -> None:
        for row in self.excludes.filled():
            if row.cleaned_data["whom"] != rows.PERSON:
                continue
            person = people.get(normalise_address(row.cleaned_data["address"]))
            if person is None:
                row.add_error("address", _("Nobody in this tenant has this address."))
            elif isinstance(person, User) and person.is_staff:
                row.add_error("address", _("There are no exceptions for administrators."))

    def _accounts(self, people: Mapping[str, User | str]) -> list[str]:
        accounts = []
        for name in ACCOUNTS:
            typed = normalise_address(self.cleaned_data.get(name, ""))
            person = people.get(typed)
            if typed and person is None:
                self.add_error(name, _("Nobody in this tenant has this address."))
            elif typed and person is not None:
                accounts.append(_id_of(person))
        if len(set(accounts)) < len(accounts):
            self.add_error("break_glass_2", _("This is the first account once more."))
        return accounts

    def _stated(self, cleaned: Mapping[str, Any], people: Mapping[str, Any], accounts: list[str]) -> dict[str, Any]:
        excludes = []
        for row in self.excludes.filled():
            person = people.get(normalise_address(row.cleaned_data["address"]), "")
            excludes.append(row.entry(_id_of(person)))
        tests = [row.cleaned_data for row in self.tests.filled()]
        return writing.document_of(cleaned, self.ground, excludes=excludes, tests=tests, accounts=accounts)


def _id_of(person: User | str) -> str:
    return str(person.pk) if isinstance(person, User) else person
