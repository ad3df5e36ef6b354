"""Fixtures of the audit room."""

from uuid import UUID, uuid4

import pytest

from audit import context
from audit.kinds import Kind
from audit.log import record, unit_of_work
from tests.audit.evidence import HOSTILE, Person


@pytest.fixture
def person() -> Person:
    """Somebody in a tenant."""
    return Person()


@pytest.fixture
def hostile_chain(db: None, person: Person) -> UUID:
    """Nine events, of every shape that there is: hostile texts, documents, none at all."""
    person.email = HOSTILE
    here = context.RequestContext(ip="2001:db8::1", user_agent=HOSTILE, request_id=str(uuid4()))
    with context.use(here), unit_of_work():
        for number in range(2):
            record(Kind.SIGN_IN_FAILED, target=person, email=HOSTILE, failures=number)
            record(Kind.PERSON_CHANGED, actor=person, target=person, fields=[HOSTILE], before={HOSTILE: [1, None]})
            record(Kind.SIGN_IN_COMPLETED, actor=person, target=person, methods=["totp"], user_verified=True)
    with unit_of_work():
        record(Kind.SIGNED_OUT, tenant=person.tenant_id)
        record(Kind.SIGN_IN_FAILED, tenant=person.tenant_id, email="a@acme.example", failures=2**53 - 1)
        record(Kind.TENANT_CHANGED, tenant=person.tenant_id, fields=[], before={}, after={"x": {"y": [True, "z"]}})
    assert person.tenant_id
    return person.tenant_id
