"""Fixtures of most tests of the admin: a tenant, who answers for it, and their browser.

A module with a tenant or an administrator of its own says so under the same name; the others follow it.
"""

import pytest
from django.test import Client

from accounts.models import Tenant, User
from tests.factories import AdministratorFactory, TenantFactory, verified_client


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory()


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant)


@pytest.fixture
def client(administrator: User) -> Client:
    """The administrator's browser, verified just now. Whoever is nobody yet has `Client()`."""
    return verified_client(administrator)
