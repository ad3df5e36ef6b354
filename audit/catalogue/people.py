"""Who there is: signing up, joining, addresses, invitations, groups."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import DIFFERENCE, METHOD, Declare
from audit.catalogue.reasons import REASON
from audit.declarations import FLAG, ID, MOMENT, NUMBER, PERSONAL_TEXT, TEXT, WORDS, Category, Outcome, Severity
from audit.kinds import Kind

_people: Declare = partial(CATALOGUE.declare, Category.PEOPLE)
_people(Kind.PERSON_SIGNED_UP, _("%(target)s signed up."), email=PERSONAL_TEXT, method=METHOD)
_people(
    Kind.PERSON_ADDED,
    _("%(actor)s added %(target)s."),
    Severity.NOTICE,
    email=PERSONAL_TEXT,
    role=TEXT,
    superuser=FLAG,
)
_people(
    Kind.PERSON_JOINED_TENANT,
    _("%(target)s joined the tenant of %(domain)s."),
    Severity.NOTICE,
    domain=TEXT,
    previous_tenant=ID,
)
_people(
    Kind.PERSON_CHANGED,
    _("%(actor)s changed %(target)s."),
    Severity.NOTICE,
    role=TEXT,
    previous_role=TEXT,
    active=FLAG,
    previous_tenant=ID,
    **DIFFERENCE,
)
_people(Kind.PERSON_DELETED, _("%(actor)s deleted %(target)s."), Severity.WARNING, reason=PERSONAL_TEXT)
_people(
    Kind.PERSON_EMAIL_VERIFIED,
    _("%(target)s proved to read mail to %(email)s."),
    email=PERSONAL_TEXT,
    first=FLAG,
)
_people(
    Kind.EMAIL_ADDED,
    _("%(target)s got the mail address %(email)s."),
    Severity.NOTICE,
    email=PERSONAL_TEXT,
    intervention=ID,
)
_people(
    Kind.EMAIL_CHANGED,
    _("The mail address of %(target)s changed from %(before)s to %(after)s."),
    Severity.NOTICE,
    before=PERSONAL_TEXT,
    after=PERSONAL_TEXT,
)
_people(Kind.EMAIL_REMOVED, _("%(target)s lost the mail address %(email)s."), Severity.NOTICE, email=PERSONAL_TEXT)
_people(Kind.INVITATION_SENT, _("%(actor)s invited %(target)s."), invitation=ID, email=PERSONAL_TEXT, until=MOMENT)
_people(Kind.INVITATION_ACCEPTED, _("%(target)s accepted an invitation."), invitation=ID)
_people(
    Kind.INVITATION_REFUSED,
    _("An invitation of %(target)s was refused: %(reason)s."),
    Severity.WARNING,
    outcome=Outcome.REFUSED,
    invitation=ID,
    reason=REASON,
)
_people(
    Kind.GROUPS_CHANGED, _("%(actor)s changed the groups of %(target)s."), Severity.NOTICE, before=WORDS, after=WORDS
)
_people(
    Kind.NOTICE_FAILED,
    _("A notice to %(target)s was given up: %(trouble)s."),
    Severity.WARNING,
    outcome=Outcome.FAILED,
    notice=TEXT,
    attempts=NUMBER,
    trouble=PERSONAL_TEXT,
)
