"""Fixtures of the audit room."""

import pytest

from tests.audit.evidence import Person
from tests.audit.lift import triggers_lifted_for_flush  # noqa: F401


@pytest.fixture
def person() -> Person:
    """Somebody in a tenant."""
    return Person()
