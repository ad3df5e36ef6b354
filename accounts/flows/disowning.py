"""“This was not me”: what the link in a mail does, for whoever reads the mailbox and need not be signed in.

It takes down what is up (sessions, trust in browsers, access passes, links, and what administrators were about to do)
and calls the administrators. It opens nothing and removes no authenticator, so whoever else reads the mail can be a
nuisance with it, once for each mail.
"""

from django.utils import timezone

from accounts import not_me_links, notices
from accounts.errors import LinkInvalid
from accounts.flows import admissions, browsers, interventions, people
from accounts.models import Session, User
from accounts.models.mail import OwedMail
from accounts.session_store import end
from audit.kinds import Kind
from audit.log import record, unit_of_work


def find(token: str) -> OwedMail:
    """The mail of a link that is still good: thirty days, and once. Raises LinkInvalid."""
    found = not_me_links.mail_of(token)
    if found is None or found.disowned_at is not None:
        raise LinkInvalid
    return found


def disown(token: str) -> int:
    """Take down all that is up for the person who got this mail, and call the administrators; once.

    Returns how many sessions ended. Raises LinkInvalid.
    """
    ended = _disown(find(token))
    if ended is None:
        raise LinkInvalid
    return ended


@unit_of_work
def _disown(mail: OwedMail) -> int | None:
    person, now = people.lock(mail.person), timezone.now()
    if type(mail)._default_manager.filter(pk=mail.pk, disowned_at=None).update(disowned_at=now) != 1:
        return None
    ended = end(Session.objects.filter(person=person))
    _revoke(person)
    people.raise_security_version(person)
    record(Kind.NOTICE_DISOWNED, target=person, notice=mail.name, sessions=ended)
    for administrator in people.who_answers_for(person):
        if administrator.pk != person.pk:
            notices.send("account_disowned", administrator, what=person.email, by_other=True, sessions=ended)
    return ended


def _revoke(person: User) -> None:
    """What somebody else could come back in by."""
    browsers.end_all_trust(person, actor=None, reason="disowned")
    admissions.void(person, reason="disowned")
    interventions.cancel_all(person, channel="disowned")
