"""Tenants, administrators at work, and the site's own keys."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import Declare
from audit.catalogue.reasons import REASON
from audit.declarations import (
    DOCUMENT,
    FLAG,
    ID,
    NUMBER,
    PERSONAL_DOCUMENT,
    PERSONAL_TEXT,
    TEXT,
    WORDS,
    Category,
    Outcome,
    Severity,
)
from audit.kinds import Kind

_tenants: Declare = partial(CATALOGUE.declare, Category.TENANTS)
_tenants(Kind.TENANT_CREATED, _("%(actor)s created the tenant %(target)s."), Severity.NOTICE, slug=TEXT)
_tenants(
    Kind.TENANT_CHANGED,
    _("%(actor)s changed the tenant %(target)s."),
    Severity.NOTICE,
    fields=WORDS,
    before=DOCUMENT,
    after=DOCUMENT,
)
_tenants(
    Kind.TENANT_DEACTIVATED, _("%(actor)s deactivated the tenant %(target)s."), Severity.WARNING, reason=PERSONAL_TEXT
)
_tenants(Kind.TENANT_ACTIVATED, _("%(actor)s activated the tenant %(target)s."), Severity.NOTICE, reason=PERSONAL_TEXT)
_tenants(Kind.DOMAIN_ADDED, _("%(actor)s gave the domain %(domain)s to %(target)s."), Severity.NOTICE, domain=TEXT)
_tenants(Kind.DOMAIN_REMOVED, _("%(actor)s took the domain %(domain)s from %(target)s."), Severity.NOTICE, domain=TEXT)

_administration: Declare = partial(CATALOGUE.declare, Category.ADMINISTRATION)
_administration(
    Kind.ADMIN_VIEWED_SENSITIVE,
    _("%(actor)s looked at %(page)s of %(target)s."),
    page=TEXT,
    event=ID,
    session=ID,
    authenticator=ID,
    sign_in=ID,
    help_request=ID,
    notice=ID,
    act=ID,
)
_administration(
    Kind.ADMIN_REFUSED,
    _("%(actor)s was refused %(page)s: %(reason)s."),
    Severity.WARNING,
    outcome=Outcome.REFUSED,
    page=TEXT,
    reason=REASON,
)
_administration(
    Kind.EXPORT_BEGUN,
    _("%(actor)s downloaded “%(list)s” of %(target)s as %(format)s: %(rows)s people."),
    Severity.NOTICE,
    list=TEXT,
    format=TEXT,
    search=PERSONAL_TEXT,
    role=TEXT,
    rows=NUMBER,
)
_administration(
    Kind.EXPORT_STOPPED,
    _("The download of “%(list)s” of %(target)s by %(actor)s was broken off after %(rows)s people: %(code)s."),
    Severity.WARNING,
    outcome=Outcome.REFUSED,
    list=TEXT,
    format=TEXT,
    rows=NUMBER,
    code=TEXT,
)

_administration(
    Kind.CHAIN_EXPORTED,
    _("%(actor)s exported the whole chain of %(chain)s, to be verified elsewhere."),
    Severity.NOTICE,
    chain=ID,
)
_administration(
    Kind.CHECKPOINT_MADE,
    _("Checkpoint %(number)s of the record was signed."),
    number=NUMBER,
    digest=TEXT,
    key=TEXT,
)
_administration(
    Kind.CHAIN_NOT_WHOLE,
    _("The record is not whole: event %(number)s of chain %(chain)s (%(damage)s)."),
    Severity.ALARM,
    outcome=Outcome.FAILED,
    chain=ID,
    number=TEXT,
    damage=TEXT,
)
_administration(
    Kind.RECORD_LOOKED_THROUGH,
    _("%(actor)s looked through the record."),
    asked=PERSONAL_DOCUMENT,
)
_export = {"export": ID, "format": TEXT, "events": NUMBER}
_administration(
    Kind.RECORD_EXPORT_BEGUN,
    _("%(actor)s began an export of events as %(format)s."),
    Severity.NOTICE,
    asked=PERSONAL_DOCUMENT,
    by_worker=FLAG,
    **_export,
)
_administration(
    Kind.RECORD_EXPORT_FINISHED,
    _("The export that %(actor)s asked for is complete: %(events)s events."),
    digest=TEXT,
    **_export,
)
_administration(
    Kind.RECORD_EXPORT_STOPPED,
    _("The export that %(actor)s asked for was broken off after %(events)s events: %(code)s."),
    Severity.WARNING,
    outcome=Outcome.REFUSED,
    code=TEXT,
    **_export,
)
_administration(
    Kind.RECORD_EXPORT_FAILED,
    _("The export that %(actor)s asked for could not be written after %(events)s events."),
    Severity.WARNING,
    outcome=Outcome.FAILED,
    code=TEXT,
    **_export,
)
_administration(
    Kind.RECORD_EXPORT_DOWNLOADED,
    _("%(actor)s downloaded an export of %(events)s events."),
    Severity.NOTICE,
    digest=TEXT,
    **_export,
)

_keys: Declare = partial(CATALOGUE.declare, Category.KEYS)
_keys(Kind.KEY_CANARY_MADE, _("A canary was stored under the encryption key %(key)s."), key=TEXT)
_keys(
    Kind.KEY_CANARY_FAILED,
    _("The stored canary did not open under the encryption keys: %(reason)s."),
    Severity.ALARM,
    outcome=Outcome.FAILED,
    key=TEXT,
    reason=REASON,
)
_keys(
    Kind.KEY_MISSING,
    _("Secrets are sealed under encryption keys that are not configured: %(keys)s."),
    Severity.ALARM,
    outcome=Outcome.FAILED,
    keys=WORDS,
)
_keys(
    Kind.KEY_SECRET_UNREADABLE,
    _("A sealed secret of %(target)s (%(place)s) did not open: %(reason)s."),
    Severity.ALARM,
    outcome=Outcome.FAILED,
    place=TEXT,
    table=TEXT,
    row=ID,
    key=TEXT,
    reason=REASON,
)
_keys(
    Kind.KEY_VERIFIED,
    _("Every sealed secret was tried: %(opened)s opened, %(unreadable)s did not."),
    key=TEXT,
    opened=NUMBER,
    unreadable=NUMBER,
)
_work = {"key": TEXT, "keys": WORDS, "reason": REASON} | dict.fromkeys(("rows", "done", "unreadable", "left"), NUMBER)
_keys(
    Kind.KEY_ROTATION_STARTED,
    _("Secrets began to be sealed anew under the encryption key %(key)s: %(rows)s."),
    Severity.NOTICE,
    **_work,
)
_keys(
    Kind.KEY_ROTATION_FINISHED,
    _("Secrets were sealed anew under the encryption key %(key)s: %(done)s. Not readable: %(unreadable)s."),
    Severity.NOTICE,
    **_work,
)
_keys(
    Kind.KEY_ROTATION_FAILED,
    _("Sealing secrets anew under the encryption key %(key)s broke off after %(done)s: %(reason)s."),
    Severity.ALARM,
    outcome=Outcome.FAILED,
    **_work,
)
_keys(Kind.KEY_RETIRED, _("The encryption key %(key)s was retired: nothing needs it."), Severity.NOTICE, key=TEXT)
_keys(
    Kind.KEY_RETIRE_REFUSED,
    _("The encryption key %(key)s could not be retired: %(reason)s."),
    Severity.WARNING,
    outcome=Outcome.REFUSED,
    key=TEXT,
    rows=NUMBER,
    reason=REASON,
)
_keys(
    Kind.KEY_ADOPTION_STARTED,
    _("Secrets of an older system began to be taken over: %(rows)s."),
    Severity.NOTICE,
    **_work,
)
_keys(
    Kind.KEY_ADOPTION_FINISHED,
    _("Secrets of an older system were taken over: %(done)s. Not readable: %(unreadable)s."),
    Severity.NOTICE,
    **_work,
)
_keys(
    Kind.KEY_ADOPTION_FAILED,
    _("Taking over secrets of an older system broke off after %(done)s: %(reason)s."),
    Severity.ALARM,
    outcome=Outcome.FAILED,
    **_work,
)
