"""Groups of people: made and deleted by platform administrators, because a policy may look at them."""

from django.contrib.auth.models import Group

from accounts.errors import GroupInUse, NotAllowed
from accounts.flows import people
from accounts.models import User
from accounts.policy import policy
from audit.log import unit_of_work


@unit_of_work
def create(name: str, *, actor: User) -> Group:
    """An empty group. Raises NotAllowed unless the actor is a platform administrator."""
    _require_platform(actor)
    return Group.objects.create(name=name)


@unit_of_work
def delete(group: Group, *, actor: User) -> None:
    """Take everybody out of a group, one event each, and delete it. Raises NotAllowed, or GroupInUse by a policy."""
    _require_platform(actor)
    if tenants := policy().group_in_use(group.name):
        raise GroupInUse(tenants)
    for person in User.objects.filter(groups=group).order_by("pk"):
        people.set_groups(person, person.groups.exclude(pk=group.pk), actor=actor)
    group.delete()


def _require_platform(actor: User) -> None:
    if not (actor.is_active and actor.is_superuser):
        raise NotAllowed
