"""Mail that tells people what happened to their account: after commit, never in the way of the request.

What happened, when (with the time zone), from where, and what to do if it was not them. Never a secret, and
no link that signs in. A notice is a row for each address, written with what it tells of: it is sent once that has
committed, and again and again for three days while the mail server will not have it.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django_tasks import task

from accounts import agents, mailing, not_me_links, outbox
from accounts.models import Notice, User
from audit import context
from audit.kinds import Kind


def _rows() -> "QuerySet[Notice]":
    return Notice.objects.select_related("person__tenant")


OUTBOX: Final = outbox.Outbox(
    rows=_rows,
    pace=outbox.Pace(
        waits=tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 4 * 60, 12 * 60, 24 * 60)),
        patience=timedelta(days=3),
    ),
    kinds={Notice.State.FAILED: Kind.NOTICE_FAILED},
    facts=lambda notice: {"notice": notice.name},
)
Making = Callable[[Notice], dict[str, Any] | None]
_MADE: Final[dict[str, Making]] = {}
KEPT: Final = timedelta(days=30)
_TIMES: Final = frozenset({"at", "until", "not_before"})  # facts that are times


def send(
    name: str, person: User, *, what: str = "", by_other: bool = False, also: Iterable[str] = (), **more: Any
) -> None:
    """Owe the notice `accounts/mail/<name>` to every verified address of a person; it goes out once this commits.

    `also`: addresses that were theirs until now. `by_other`: somebody else acted (an administrator), so the request's
    address says nothing about this person. `more` is what else the notice tells: numbers, texts, or lists of entries,
    as JSON has them; `until` and `not_before` are times.
    """
    here = context.current()
    facts = {
        "what": what,
        "at": timezone.now().isoformat(),
        "ip": "" if by_other else here.ip,
        "agent": "" if by_other else here.user_agent,
        **more,
    }
    addresses = dict.fromkeys([*addresses_of(person), *also])
    owe([Notice(person=person, address=address, name=name, facts=facts) for address in addresses])


def owe(owed: list[Notice]) -> None:
    """Write these notices down; they go out once that commits."""
    Notice.objects.bulk_create(owed)
    if owed:
        when_committed(deliver.enqueue, [notice.pk for notice in owed])


def addresses_of(person: User) -> list[str]:
    """Where a person is told of things: every address they proved to read."""
    return list(person.emailaddress_set.filter(verified=True).order_by("pk").values_list("email", flat=True))


def made_as_it_goes_out(name: str, make: Making) -> None:
    """What the notices of this name tell beside their facts, such as a link that no table may hold.

    Made for each attempt; None: there is nothing to send any more. Raises ValueError for a name that has its maker.
    """
    if _MADE.setdefault(name, make) is not make:
        raise ValueError(f"What {name} tells is made already.")


def when_committed(work: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Do this once the transaction has committed, or at once outside one; what fails is logged, not raised."""

    def later() -> None:  # a partial would not do: Django logs a failure by the name of the function
        work(*arguments, **named)

    transaction.on_commit(later, robust=True)


@task()
def deliver(notice_ids: list[int]) -> int:
    """Send these notices, unless they are sent already; returns how many went out. What is refused waits."""
    return OUTBOX.send_due(_rows().filter(pk__in=notice_ids), _send)[0]


@task()
def deliver_due() -> int:
    """Send what is due after waiting, or was left by a worker that died; returns how many went out."""
    sent, is_more_due = OUTBOX.send_due(_rows(), _send)
    if is_more_due:
        deliver_due.enqueue()
    return sent


def unsent_due(now: datetime) -> int:
    """How many notices wait for `deliver_due`."""
    return OUTBOX.owed(now).count()


def expired(now: datetime) -> "QuerySet[Notice]":
    """Notices of which it has long been known what became of them."""
    return Notice.objects.filter(finished_at__lt=now - KEPT)


def subject_of(notice: Notice) -> str:
    """What a notice is about, in the words of its subject and the language of whoever looks."""
    return _subject(_prefix(notice.name), _values(notice.person, _with_times(notice.facts)))


def _send(notice: Notice) -> bool:
    """Send one notice; whether it went out. Raises NotReached."""
    more = _MADE[notice.name](notice) if notice.name in _MADE else {}
    if more is None:
        return OUTBOX.finish(notice, Notice.State.SPARED)
    facts = {**_with_times(notice.facts), **more, "not_me_url": not_me_links.url_of(notice)}
    made = message(notice.name, notice.address, notice.person, **facts)
    mailing.mark(made, f"notice-{notice.pk}.{notice.person_id}")
    return OUTBOX.hand_over(notice, made)


def _with_times(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a notice with their times as times again; the queue keeps JSON."""
    lists = {name: value for name, value in facts.items() if isinstance(value, list)}
    dated = {name: [_dated(entry) for entry in entries] for name, entries in lists.items()}
    return _dated(facts) | dated


def _dated(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, **{name: datetime.fromisoformat(entry[name]) for name in _TIMES & entry.keys()}}


def mail(name: str, address: str, person: User, **extra: Any) -> None:
    """Send the mail `name` at once; see `message`."""
    message(name, address, person, **extra).send()


def message(name: str, address: str, person: User, **extra: Any) -> EmailMultiAlternatives:
    """`<name>_{subject.txt,message.txt,message.html}` in the person's language and zone.

    A bare name is one of ours, in `accounts/mail/`; a path names a template of allauth's.
    """
    with translation.override(person.language or settings.LANGUAGE_CODE), timezone.override(person.tenant.zone):
        prefix, values = _prefix(name), _values(person, extra)
        made = EmailMultiAlternatives(
            _subject(prefix, values),
            render_to_string(f"{prefix}_message.txt", values),
            settings.DEFAULT_FROM_EMAIL,
            [address],
        )
        made.attach_alternative(render_to_string(f"{prefix}_message.html", values), "text/html")
        return made


def _prefix(name: str) -> str:
    return name if "/" in name else f"accounts/mail/{name}"


def _subject(prefix: str, values: dict[str, Any]) -> str:
    return " ".join(render_to_string(f"{prefix}_subject.txt", values).split())


def _values(person: User, extra: dict[str, Any]) -> dict[str, Any]:
    return {
        "person": person,
        "user": person,
        "tenant_name": person.tenant.name,
        "time_zone": person.tenant.time_zone,
        "help_url": settings.SITE_URL + reverse("help"),
        "site_url": settings.SITE_URL,
        **extra,
        "agent": agents.spoken(extra["agent"]) if extra.get("agent") else "",
    }
