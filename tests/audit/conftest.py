"""Fixtures of the audit room."""

import pytest

from tests.audit.evidence import Person


@pytest.fixture
def person() -> Person:
    """Somebody in a tenant."""
    return Person()
