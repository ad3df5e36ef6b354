"""The only signal receivers: allauth's signals into our record, and raw changes of groups."""

from typing import Any

from allauth.account import signals
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db.models import F
from django.db.models.signals import m2m_changed, post_migrate, pre_delete
from django.dispatch import receiver

from accounts import canary, notices
from accounts.flows import people
from accounts.models import User
from audit.kinds import Kind
from audit.log import record


@receiver(signals.password_reset)
def password_was_reset(sender: Any, user: User, **kwargs: Any) -> None:
    """A new password by a mailed link: the second factor is still owed at the next sign-in."""
    record(Kind.PASSWORD_RESET, actor=user, target=user)


@receiver(signals.email_added)
def address_was_added(sender: Any, user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    record(Kind.EMAIL_ADDED, actor=user, target=user, email=email_address.email)
    notices.send("address_added", user, what=email_address.email)


@receiver(signals.email_changed)
def address_was_changed(
    sender: Any,
    user: User,
    from_email_address: EmailAddress | None,
    to_email_address: EmailAddress,
    **kwargs: Any,
) -> None:
    before = from_email_address.email if from_email_address else ""
    people.address_changed(user, before=before, after=to_email_address.email)
    record(Kind.EMAIL_CHANGED, actor=user, target=user, before=before, after=to_email_address.email)


@receiver(signals.email_removed)
def address_was_removed(sender: Any, user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    record(Kind.EMAIL_REMOVED, actor=user, target=user, email=email_address.email)


@receiver(m2m_changed, sender=User.groups.through)
def groups_were_edited(sender: Any, instance: Any, action: str, reverse: bool, pk_set: Any, **kwargs: Any) -> None:
    """However a person's groups are edited, their grants are void: the policy may look at groups."""
    if action == "pre_clear" and reverse:
        void_grants_of(instance.user_set.values_list("pk", flat=True))
    elif action in ("post_add", "post_remove", "post_clear"):
        void_grants_of(pk_set if reverse and pk_set else [] if reverse else [instance.pk])


@receiver(pre_delete, sender=Group)
def group_is_deleted(sender: Any, instance: Group, **kwargs: Any) -> None:
    void_grants_of(instance.user_set.values_list("pk", flat=True))


def void_grants_of(people: Any) -> None:
    """Raise `security_version` of these people, by primary key."""
    User.objects.filter(pk__in=list(people)).update(security_version=F("security_version") + 1)


post_migrate.connect(canary.install, dispatch_uid="accounts.canary")
