"""Two tenants side by side, each with an administrator, a person, and one of everything the admin shows."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.assurance import Method, Proof
from accounts.models import Binding, HelpRequest, Intervention, Notice, Session, Tenant, TenantDomain, User
from audit.models import AuditEvent
from policies.models import Campaign, MFAPolicy, Reminder
from tests import factories

SEEN_BY_TENANTS = (
    User,
    Tenant,
    MFAPolicy,
    Binding,
    Session,
    AuditEvent,
    Reminder,
    Campaign,
    Notice,
    HelpRequest,
    Intervention,
)


@dataclass
class Side:
    """One tenant and what is in it; `mark` occurs in every name and address of it."""

    mark: str = field(default_factory=lambda: f"m{uuid.uuid4().hex[:10]}")

    def __post_init__(self) -> None:
        self.tenant = factories.TenantFactory(name=f"Tenant {self.mark}", slug=self.mark)
        TenantDomain.objects.create(tenant=self.tenant, domain=f"{self.mark}.example")
        self.administrator = factories.AdministratorFactory(
            email=f"admin@{self.mark}.example", name=f"Admin {self.mark}", tenant=self.tenant
        )
        self.person = factories.UserFactory(
            email=f"person@{self.mark}.example", name=f"Person {self.mark}", tenant=self.tenant
        )
        self.secret = factories.enrol_totp(self.person)
        self.reminder = Reminder.objects.create(person=self.person, tenant=self.tenant, day="2030-01-01")
        self.campaign = Campaign.objects.create(tenant=self.tenant)
        self.help_request = HelpRequest.objects.create(person=self.person, tenant=self.tenant)
        self.act = Intervention.objects.create(
            kind=Intervention.Kind.PASSWORD,
            state=Intervention.State.ASKED,
            person=self.person,
            tenant=self.tenant,
            reason=f"Because {self.mark}",
            requested_by=uuid.uuid4(),
            requested_by_label="somebody",
            needs_approval=True,
            not_before=timezone.now(),
            expires_at=timezone.now() + timedelta(days=7),
        )
        self.person_client = factories.client_of(self.person)

    @property
    def session(self) -> Session:
        return Session.objects.filter(person=self.person, ended_at=None).latest("created_at")

    @property
    def binding(self) -> Binding:
        return factories.live_binding(self.person)

    def client(self) -> Client:
        """The administrator's browser, verified just now."""
        return factories.verified_client(self.administrator)

    def id_of(self, model: type[Model]) -> str:
        """How the admin names this side's object of a model."""
        return {
            User: lambda: self.person.pk,
            Tenant: lambda: self.tenant.pk,
            MFAPolicy: lambda: self.tenant.policy.pk,
            Binding: lambda: self.binding.pk,
            Session: lambda: self.session.public_id,
            Campaign: lambda: self.campaign.pk,
            Reminder: lambda: self.reminder.pk,
            HelpRequest: lambda: self.help_request.pk,
            Intervention: lambda: self.act.pk,
            Notice: lambda: self.person.notices.latest("pk").pk,
            AuditEvent: lambda: AuditEvent.objects.filter(tenant_id=self.tenant.pk).latest("id").pk,
        }[model]().__str__()


def root() -> User:
    """A platform administrator, of the default tenant."""
    return factories.AdministratorFactory(email="root@platform.example", name="Root", is_superuser=True)


def url(model: type[Model], page: str = "changelist", *args: Any) -> str:
    """The address of a page of a model's admin."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def registered() -> list[type[Model]]:
    return list(admin.site._registry)


def a_group() -> Group:
    return Group.objects.create(name=f"group {uuid.uuid4().hex[:6]}")


def last_event(kind: str) -> AuditEvent:
    """The newest event of a kind."""
    return AuditEvent.objects.filter(kind=kind).latest("id")


def events(kind: str) -> int:
    return AuditEvent.objects.filter(kind=kind).count()


def stale_client(person: User) -> Client:
    """A browser that is let in, of somebody who proved their app ten minutes ago: no longer fresh."""
    if not Binding.objects.filter(person=person, unbound_at=None).exists():
        factories.enrol_totp(person)
        Binding.objects.filter(person=person).update(bound_at=timezone.now() - timedelta(days=1))
    then = timezone.now() - timedelta(minutes=10)
    password = Proof(method=Method.PASSWORD, at=then)
    return factories.client_of(person, password, factories.proof_of(factories.live_binding(person), at=then))
