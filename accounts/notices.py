"""Mail that tells people what happened to their account: after commit, never in the way of the request.

What happened, when (with the time zone), from where, and what to do if it was not them. Never a secret, and
no link that signs in.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django_tasks import task

from accounts.models import User
from audit import context


def send(name: str, person: User, *, what: str = "", by_other: bool = False, **more: Any) -> None:
    """Queue the notice `accounts/mail/<name>` to every verified address of a person, once this commits.

    `by_other`: somebody else acted (an administrator), so the request's address says nothing about this person.
    `more` is what else the notice tells: numbers, texts, or lists of entries with an `until`, as JSON has them.
    """
    here = context.current()
    facts = {
        "what": what,
        "at": timezone.now().isoformat(),
        "ip": "" if by_other else here.ip,
        "agent": "" if by_other else here.user_agent,
        **more,
    }
    when_committed(deliver.enqueue, name, str(person.pk), facts)


def when_committed(work: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Do this once the transaction has committed, or at once outside one; what fails is logged, not raised."""

    def later() -> None:  # a partial would not do: Django logs a failure by the name of the function
        work(*arguments, **named)

    transaction.on_commit(later, robust=True)


@task()
def deliver(name: str, person_id: str, facts: dict[str, Any]) -> int:
    """Render and send one notice; returns to how many addresses. Arguments hold ids and places, no secrets."""
    person = User.objects.select_related("tenant").get(pk=uuid.UUID(person_id))
    addresses = person.emailaddress_set.filter(verified=True).values_list("email", flat=True)
    for address in addresses:
        mail(name, address, person, **_with_times(facts))
    return len(addresses)


def _with_times(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a notice with their times as times again; the queue keeps JSON."""
    lists = {name: value for name, value in facts.items() if isinstance(value, list)}
    dated = {name: [_dated(entry, "until") for entry in entries] for name, entries in lists.items()}
    return _dated(facts, "at") | dated


def _dated(entry: dict[str, Any], name: str) -> dict[str, Any]:
    return {**entry, name: datetime.fromisoformat(entry[name])}


def mail(name: str, address: str, person: User, **extra: Any) -> None:
    """Send the mail `name` at once; see `message`."""
    message(name, address, person, **extra).send()


def message(name: str, address: str, person: User, **extra: Any) -> EmailMultiAlternatives:
    """`<name>_{subject.txt,message.txt,message.html}` in the person's language and zone.

    A bare name is one of ours, in `accounts/mail/`; a path names a template of allauth's.
    """
    prefix = name if "/" in name else f"accounts/mail/{name}"
    with (
        translation.override(person.language or settings.LANGUAGE_CODE),
        timezone.override(person.tenant.zone),
    ):
        values = {
            "person": person,
            "user": person,
            "tenant_name": person.tenant.name,
            "time_zone": person.tenant.time_zone,
            "help_url": settings.SITE_URL + reverse("help"),
            "site_url": settings.SITE_URL,
            **extra,
        }
        subject = " ".join(render_to_string(f"{prefix}_subject.txt", values).split())
        made = EmailMultiAlternatives(
            subject,
            render_to_string(f"{prefix}_message.txt", values),
            settings.DEFAULT_FROM_EMAIL,
            [address],
        )
        made.attach_alternative(render_to_string(f"{prefix}_message.html", values), "text/html")
        return made
