"""An event on its own page: what was decided and why, what happened around it, and what can be said of its proof."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin.scope import person_of
from accounts.flows import viewing
from accounts.models import User
from accounts.scope import events_seen_by
from audit import reading, spot_check
from audit.chain import Fault
from audit.models import AuditEvent
from audit.reading import Selection
from audit.spot_check import Cover, SpotCheck
from policies import kept, sentences
from policies.admin.explanation_pages import version_url
from policies.sentences import Words
from policies.terms import Reason

if TYPE_CHECKING:
    from policies.admin.events import AuditEventAdmin

AROUND: Final = timedelta(days=1)  # how far neighbours are looked for, either way
NEIGHBOURS: Final = 10  # on each side
FAULTS: Final[dict[Fault, str | Promise]] = {
    Fault.OUT_OF_SEQUENCE: gettext_lazy("It does not continue the event before it, or that one is gone."),
    Fault.NOT_LINKED: gettext_lazy("It does not continue the event before it, or that one is gone."),
    Fault.NOT_CANONICAL: gettext_lazy("It holds what is never recorded: it was edited."),
    Fault.EDITED: gettext_lazy("It does not fit its hash: it was edited."),
    Fault.UNKNOWN_KEY: gettext_lazy(
        "It names a key that this site does not have: a forgery, or a key that was not kept."
    ),
    Fault.FORGED: gettext_lazy("Its seal is wrong: somebody without the key wrote it."),
    Fault.COPY_EDITED: gettext_lazy("A readable name, address or browser in it was edited."),
}
COVERS: Final[dict[Cover, str | Promise]] = {
    Cover.COVERED: gettext_lazy(
        "Signed checkpoint %(number)s of %(at)s covers this chain up to event %(named)s, which stands as it says. "
        "This event is within it."
    ),
    Cover.NEWER: gettext_lazy(
        "The newest signed checkpoint, %(number)s of %(at)s, covers this chain up to event %(named)s. "
        "This event came later: the next one will cover it."
    ),
    Cover.CONTRADICTED: gettext_lazy(
        "Signed checkpoint %(number)s of %(at)s names another event %(named)s of this chain: the record was changed."
    ),
    Cover.NONE: gettext_lazy("No checkpoint was signed yet."),
    Cover.UNSOUND: gettext_lazy("The signature of the newest checkpoint is wrong."),
    Cover.NO_KEY: gettext_lazy("The newest checkpoint is signed under a key that this site does not have."),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, as far as the event says; `url` leads to the whole of it where it is kept."""

    reasons: list[Words]
    version: int | None
    version_url: str
    url: str


def context_of(request: HttpRequest, event: AuditEvent, admin: "AuditEventAdmin") -> dict[str, Any]:
    """What the page shows beside the event itself. Looking at somebody else's is recorded."""
    actor = person_of(request)
    _record_look(event, actor)
    checked = spot_check.look_at(event)
    listed = reverse("admin:audit_auditevent_changelist")
    return {
        "decision": _decision(request, event, admin),
        "facts": [(name, _shown(value)) for name, value in event.payload.items()],
        "around": [(words, found) for words, found in _around(event, events_seen_by(actor)) if found],
        "checked": checked,
        "checked_words": words_of(checked),
        "links": {
            "actor": f"{listed}?person={event.actor_id}" if event.actor_id else "",
            "target": f"{listed}?person={event.target_id}" if event.target_id else "",
            "ip": f"{listed}?ip={event.ip}" if event.ip else "",
            "request": f"{listed}?q={event.request_id}" if event.request_id else "",
        },
    }


def words_of(checked: SpotCheck) -> list[str | Promise]:
    """What was looked at here, and what it came to; nothing else is claimed."""
    words: list[str | Promise] = []
    if checked.fault is None:
        words.append(
            _("Its hash, its seal and its readable parts were computed anew and fit. It continues the event before it.")
        )
    else:
        words.append(FAULTS[checked.fault])
    if checked.continued is None:
        words.append(_("It is the newest event of its chain."))
    elif checked.continued:
        words.append(_("The event after it continues it."))
    else:
        words.append(_("The event after it does not continue it: one of them was edited."))
    said = checked.statement
    place = (
        {"number": said.number, "at": said.at[:16].replace("T", " ") + " UTC", "named": checked.named} if said else {}
    )
    words.append(str(COVERS[checked.cover]) % place)
    return words


def _record_look(event: AuditEvent, actor: User) -> None:
    """Whom it is about may be gone: then it is who they were. What is about nobody is one's own if one did it."""
    if event.target_type == User._meta.label_lower and (pk := _uuid(event.target_id)) is not None:
        person = User(pk=pk, email=event.target_label, tenant_id=event.tenant_id or actor.tenant_id)
        viewing.looked_at(viewing.EVENT, person, actor=actor, event=event.pk)
    elif event.actor_id != str(actor.pk):
        viewing.looked_at(viewing.EVENT, event, actor=actor, event=event.pk)


def _decision(request: HttpRequest, event: AuditEvent, admin: "AuditEventAdmin") -> Decision | None:
    """None for an event without a decision."""
    said = event.payload
    if not said.keys() & {"decision", "reasons"}:
        return None
    person = _person(request, event, admin)
    known = {reason.value: reason for reason in Reason}
    reasons = [known[code] for code in said.get("reasons", []) if code in known]
    name = person.get_short_name() if person else event.target_label
    version = said.get("policy_version")
    return Decision(
        reasons=sentences.of(reasons, name) if name else [],
        version=version,
        version_url=version_url(person, version, event.tenant_id) if person and version else "",
        url=_sign_in_url(event, person, person_of(request)) if person else "",
    )


def _person(request: HttpRequest, event: AuditEvent, admin: "AuditEventAdmin") -> User | None:
    """Whom it is about, if they are still there for whoever looks."""
    if event.target_type != User._meta.label_lower or (pk := _uuid(event.target_id)) is None:
        return None
    found: User | None = admin.admin_site.get_model_admin(User).get_queryset(request).filter(pk=pk).first()
    return found


def _sign_in_url(event: AuditEvent, person: User, viewer: User) -> str:
    """The explanation of the decision that the session of the event had at that time, the nearest of few."""
    session = _uuid(event.payload.get("session"))
    if session is None:
        return ""
    rows = kept.sign_ins_of(person, viewer).filter(session=session).values_list("pk", "at")[: 2 * NEIGHBOURS]
    nearest = min(rows, key=lambda row: abs(row[1] - event.at), default=None)
    return reverse("admin:accounts_user_sign_in", args=[person.pk, nearest[0]]) if nearest else ""


def _around(event: AuditEvent, seen: Q) -> list[tuple[str, list[AuditEvent]]]:
    near = seen & reading.between(event.at - AROUND, event.at + AROUND) & ~Q(pk=event.pk)
    found = []
    if (session := event.payload.get("session")) and event.target_id:
        of_session = Q(target_id=event.target_id, payload__session=session)
        found.append((_("In the same session"), _near(near & of_session, event)))
    if event.request_id:
        found.append((_("In the same request"), _near(near & Q(request_id=event.request_id), event)))
    return found


def _near(condition: Q, event: AuditEvent) -> list[AuditEvent]:
    """The events next to one, on both sides, oldest first."""
    selection = Selection(condition)
    before = list(reading.newest(selection, NEIGHBOURS, before=event.pk))
    return [*before[::-1], *reading.oldest(selection, NEIGHBOURS, after=event.pk)]


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, indent=2)


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
