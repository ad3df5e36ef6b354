"""The queue of work in the admin: for the platform to look at."""

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.factories import AdministratorFactory, TenantFactory, verified_client

pytestmark = pytest.mark.django_db

LIST = "/admin/django_tasks_database/dbtaskresult/"


@pytest.fixture
def task() -> DBTaskResult:
    return DBTaskResult.objects.create(
        task_path="accounts.notices.deliver",
        args_kwargs={"args": ["mfa_reset", "an id"], "kwargs": {}},
        queue_name="default",
        backend_name="default",
        run_after=timezone.now(),
    )


def test_the_platform_looks_at_the_queue_and_changes_nothing(task: DBTaskResult) -> None:
    client = verified_client(AdministratorFactory(is_superuser=True))
    assert "accounts.notices.deliver" in client.get(LIST).content.decode()
    assert client.get(f"{LIST}{task.pk}/change/").status_code == 200
    assert client.post(f"{LIST}{task.pk}/change/", {"status": "FAILED"}).status_code == 403
    assert client.post(f"{LIST}{task.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403


# security 84
def test_a_tenants_administrator_does_not_see_the_queue(task: DBTaskResult) -> None:
    client = verified_client(AdministratorFactory(tenant=TenantFactory()))
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}{task.pk}/change/").status_code == 404
