"""Somebody has lost everything and asks their administrators for help, or somebody else does under their address.

It proves nothing and opens nothing: administrators see that it was asked, from where, and whether the password was
right. The same work and the same answer whether or not somebody has the address; what follows is the worker's.
"""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.utils import timezone
from django_tasks import task

from accounts import notices
from accounts.errors import NotAllowed, TooManyRequests
from accounts.flows import people, throttles
from accounts.models import HelpRequest, User
from accounts.models.people import normalise_address
from audit import context
from audit.kinds import Kind
from audit.log import record, unit_of_work

NOBODY = ""
BY_NETWORK = throttles.Limit("help-request", 10, timedelta(hours=1), timedelta(minutes=15))
MAIL_ABOUT_ONE = throttles.Limit("help-mail", 1, timedelta(hours=24))
MAIL_TO_TENANT = throttles.Limit("help-mail-tenant", 20, timedelta(hours=24), timedelta(hours=1))


def ask(address: str) -> None:
    """Ask under an address, with nothing proved. Raises TooManyRequests, by the network it comes from."""
    throttles.count_recorded((BY_NETWORK, throttles.here()), about=partial(_owner_of, address))
    _ask(address)


def ask_for(person: User) -> None:
    """Ask for somebody whose password was right. Raises TooManyRequests."""
    throttles.count_recorded((BY_NETWORK, throttles.here()), about=person)
    _note(person, knew_password=True)


@unit_of_work
def _ask(address: str) -> None:
    _note(_owner_of(address), knew_password=False)


def _owner_of(address: str) -> User | None:
    known = EmailAddress.objects.select_related("user").filter(email=normalise_address(address), user__is_active=True)
    found = known.order_by("-verified", "pk").first()
    return found.user if found else None


@unit_of_work
def _note(person: User | None, *, knew_password: bool) -> None:
    """Recorded either way, without the address that was typed."""
    here = context.current()
    record(Kind.HELP_ASKED, target=person, knew_password=knew_password)
    whom = str(person.pk) if person else NOBODY
    notices.when_committed(enter.enqueue, whom, here.ip, here.user_agent, knew_password)


@task()
def enter(person_id: str, ip: str, agent: str, knew_password: bool) -> bool:
    """Put the request on the administrators' list, and mail them, once a day for each person; whether it was somebody.

    Who has one open gets no other; it says from then on that the password was known, if it was.
    """
    return person_id != NOBODY and _enter(UUID(person_id), ip, agent, knew_password=knew_password)


@unit_of_work
def _enter(person_id: UUID, ip: str, agent: str, *, knew_password: bool) -> bool:
    person = people.everyone_held().filter(pk=person_id, is_active=True).first()
    if person is None:
        return False
    mine = HelpRequest.objects.filter(person=person, closed_at=None)
    if not mine.exists():
        HelpRequest.objects.create(
            person=person, tenant=person.tenant, knew_password=knew_password, ip=ip or None, agent=agent
        )
    elif knew_password:
        mine.update(knew_password=True)
    _tell_administrators(person, ip, knew_password=knew_password)
    return True


def _tell_administrators(person: User, ip: str, *, knew_password: bool) -> None:
    """Whoever types all addresses of a tenant must not fill its administrators' mailboxes: the list has them all."""
    if not throttles.is_first(MAIL_ABOUT_ONE, str(person.pk)):
        return
    try:
        throttles.count((MAIL_TO_TENANT, str(person.tenant_id)))
    except TooManyRequests:
        return
    told: dict[str, Any] = {"what": person.email, "asked_from": ip, "knew_password": knew_password}
    for administrator in people.who_answers_for(person):
        if administrator.pk != person.pk:
            notices.send("help_asked", administrator, by_other=True, **told)


def close(asked: HelpRequest, *, actor: User) -> bool:
    """Take a request off the list; whether it was still on it. Raises NotAllowed for who does not answer for them."""
    if not people.manages(actor, asked.person):
        raise NotAllowed
    return _close(asked, actor=actor)


@unit_of_work
def _close(asked: HelpRequest, *, actor: User) -> bool:
    still = HelpRequest.objects.filter(pk=asked.pk, closed_at=None)
    if not still.update(closed_at=timezone.now(), closed_by=actor.pk, closed_by_label=str(actor)):
        return False
    record(Kind.HELP_CLOSED, actor=actor, target=asked.person, request=str(asked.pk))
    return True
