"""Events are read, never written, through the model."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import serializers
from django.db import transaction

from audit.declarations import Category, Severity
from audit.errors import AppendOnly
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditEvent
from tests.audit.evidence import Person, assert_whole, events_of

pytestmark = pytest.mark.django_db

REFUSED: dict[str, Callable[[AuditEvent], Any]] = {
    "save": lambda event: event.save(),
    "save as new": lambda event: AuditEvent(kind="forged").save(force_insert=True),
    "asave": lambda event: event.asave(),
    "delete": lambda event: event.delete(),
    "adelete": lambda event: event.adelete(),
    "create": lambda event: AuditEvent.objects.create(kind="forged"),
    "get_or_create": lambda event: AuditEvent.objects.get_or_create(kind="forged"),
    "update_or_create": lambda event: AuditEvent.objects.update_or_create(kind="forged"),
    "bulk_create": lambda event: AuditEvent.objects.bulk_create([event]),
    "bulk_update": lambda event: AuditEvent.objects.bulk_update([event], ["outcome"]),
    "update": lambda event: AuditEvent.objects.update(outcome="ok"),
    "update some": lambda event: AuditEvent.objects.filter(pk=event.pk).update(outcome="ok"),
    "aupdate": lambda event: AuditEvent.objects.aupdate(outcome="ok"),
    "delete all": lambda event: AuditEvent.objects.all().delete(),
    "delete some": lambda event: AuditEvent.objects.filter(pk=event.pk).delete(),
    "raw delete": lambda event: AuditEvent.objects.all()._raw_delete("default"),
    "load over": lambda event: next(
        iter(serializers.deserialize("json", serializers.serialize("json", [event])))
    ).save(),
}


@pytest.mark.security(88)
@pytest.mark.parametrize("way", REFUSED)
def test_the_model_refuses_to_write(person: Person, way: str) -> None:
    record(Kind.SIGNED_OUT, target=person)
    with pytest.raises(AppendOnly), transaction.atomic():
        REFUSED[way](events_of(person.tenant_id)[0])
    assert_whole(person.tenant_id, length=1)


def test_severity_and_category_come_from_the_catalogue() -> None:
    event = AuditEvent(kind=Kind.AUTHENTICATOR_LOCKED)
    assert (event.severity, event.category) == (Severity.ALARM, Category.AUTHENTICATORS)
    unknown = AuditEvent(kind="ghost:seen")
    assert (unknown.severity, unknown.category, unknown.sentence) == (None, None, "ghost:seen")


def test_rows_name_themselves(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    [event] = events_of(person.tenant_id)
    assert str(event) == f"session:signed_out {event.pk}"


def test_events_have_no_foreign_keys() -> None:
    assert not [field for field in AuditEvent._meta.get_fields() if field.is_relation]
