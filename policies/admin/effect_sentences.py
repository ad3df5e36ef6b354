"""The numbers of `policies.admin.effects` as sentences, each at the rule that it is about."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.authenticators.aaguids import product_name
from policies.admin.effects import Effects, Product

Told = Mapping[str, list[str]]


def told_by(effects: Effects, document: Mapping[str, Any], enforced_since: datetime | None, now: datetime) -> Told:
    """What the numbers say, by the document's rule. Nobody is mentioned only where that is good news.

    `now` in the time zone in which days are named.
    """
    told = {
        "enforcement": [_people_here(effects.people), _without_method(effects.without_method)],
        "scope": list(_of_scope(effects)),
        "allowed": [_with_key(effects.with_key), _only_app(effects.only_app), _only_codes(effects.only_codes)],
        "strength": [
            _users_without_key(effects.users_without_key),
            _administrators_without_key(effects.administrators_without_key),
        ],
        "minimum_factors": [_one_method(effects.one_method), _without_method(effects.without_method)],
        "user_verification": [_only_unverified(effects.only_unverified)],
        "attested": [_only_unattested(effects.only_unattested)],
        "synced_passkeys": [_with_synced(effects.with_synced), _only_synced(effects.only_synced)],
        "aaguids_allowed": [_product(one) for one in effects.products],
        "grace_days": list(_of_grace(effects, document, enforced_since, now)),
        "new_grace_days": [_never_signed_in(effects.never_signed_in)],
        "administrators_grace_days": [_administrators_without_method(effects.administrators_without_method)],
        "break_glass": [_with_key(effects.with_key)],
    }
    return {rule: [sentence for sentence in sentences if sentence] for rule, sentences in told.items()}


def _of_scope(effects: Effects) -> Iterator[str]:
    users = effects.people - effects.administrators
    yield ngettext("%(count)d user", "%(count)d users", users) % {"count": users}
    words = ngettext("%(count)d administrator", "%(count)d administrators", effects.administrators)
    yield words % {"count": effects.administrators}
    for name, count in sorted(effects.groups.items()):
        yield _("%(what)s: %(people)s") % {"what": name, "people": _people(count)}


def _of_grace(
    effects: Effects, document: Mapping[str, Any], enforced_since: datetime | None, now: datetime
) -> Iterator[str]:
    days = document["grace_days"]
    yield _here_before(effects.here_before)
    if enforced_since is None:
        yield _("The days begin when something is demanded for the first time.")
    elif days:
        end = enforced_since.astimezone(now.tzinfo) + timedelta(days=days)
        words = ngettext("%(days)d day ends on %(day)s.", "%(days)d days end on %(day)s.", days)
        yield words % {"days": days, "day": date_format(end, "DATE_FORMAT")}
    if effects.here_before and effects.time_over:
        words = ngettext(
            "For %(count)d of them the time would be over.",
            "For %(count)d of them the time would be over.",
            effects.time_over,
        )
        yield words % {"count": effects.time_over}


def _people(count: int) -> str:
    return ngettext("%(count)d person", "%(count)d people", count) % {"count": count}


def _people_here(count: int) -> str:
    words = ngettext("%(count)d person is in this tenant.", "%(count)d people are in this tenant.", count)
    return words % {"count": count}


def _without_method(count: int) -> str:
    if not count:
        return _("Everybody has a method.")
    words = ngettext("%(count)d person has no method yet.", "%(count)d people have no method yet.", count)
    return words % {"count": count}


def _here_before(count: int) -> str:
    if not count:
        return _("Everybody who was here before has a method.")
    words = ngettext(
        "%(count)d person who was here before has no method.",
        "%(count)d people who were here before have no method.",
        count,
    )
    return words % {"count": count}


def _users_without_key(count: int) -> str:
    if not count:
        return _("Every user has a key.")
    return ngettext("%(count)d user has no key.", "%(count)d users have no key.", count) % {"count": count}


def _administrators_without_key(count: int) -> str:
    if not count:
        return _("Every administrator has a key.")
    words = ngettext("%(count)d administrator has no key.", "%(count)d administrators have no key.", count)
    return words % {"count": count}


def _administrators_without_method(count: int) -> str:
    if not count:
        return _("Every administrator has a method.")
    words = ngettext("%(count)d administrator has no method.", "%(count)d administrators have no method.", count)
    return words % {"count": count}


def _with_key(count: int) -> str:
    if not count:
        return _("Nobody has a key or passkey yet.")
    words = ngettext("%(count)d person has a key or passkey.", "%(count)d people have a key or passkey.", count)
    return words % {"count": count}


def _only_app(count: int) -> str:
    words = ngettext("%(count)d person has an app and no key.", "%(count)d people have an app and no key.", count)
    return words % {"count": count} if count else ""


def _only_codes(count: int) -> str:
    words = ngettext(
        "%(count)d person has recovery codes and nothing else.",
        "%(count)d people have recovery codes and nothing else.",
        count,
    )
    return words % {"count": count} if count else ""


def _one_method(count: int) -> str:
    words = ngettext("%(count)d person has exactly one method.", "%(count)d people have exactly one method.", count)
    return words % {"count": count} if count else ""


def _only_unverified(count: int) -> str:
    words = ngettext(
        "%(count)d person has only keys that did not ask when they were added.",
        "%(count)d people have only keys that did not ask when they were added.",
        count,
    )
    return words % {"count": count} if count else ""


def _only_unattested(count: int) -> str:
    words = ngettext(
        "%(count)d person has only keys that nobody vouched for.",
        "%(count)d people have only keys that nobody vouched for.",
        count,
    )
    return words % {"count": count} if count else ""


def _with_synced(count: int) -> str:
    words = ngettext("%(count)d person has such a passkey.", "%(count)d people have such passkeys.", count)
    return words % {"count": count} if count else ""


def _only_synced(count: int) -> str:
    words = ngettext("%(count)d person has no other key.", "%(count)d people have no other key.", count)
    return words % {"count": count} if count else ""


def _never_signed_in(count: int) -> str:
    words = ngettext("%(count)d person never signed in.", "%(count)d people never signed in.", count)
    return words % {"count": count} if count else ""


def _product(product: Product) -> str:
    name = product_name(product.aaguid) or str(product.aaguid)
    return _("%(what)s: %(people)s") % {"what": name, "people": _people(product.people)}
