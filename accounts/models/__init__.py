"""The tables of the accounts room, one module per subject."""

from accounts.models.admissions import AccessPass, EnrolmentLink
from accounts.models.authenticators import (
    Binding,
    Ceremony,
    PendingEnrolment,
    RecoveryCode,
    WebAuthnCredential,
)
from accounts.models.browsers import Browser
from accounts.models.helping import CallerCheck, HelpRequest, HelpRules, Intervention
from accounts.models.invitations import Invitation
from accounts.models.keys import KeyCanary
from accounts.models.mail import Notice
from accounts.models.people import AddressAnchor, Role, User
from accounts.models.sessions import Session
from accounts.models.tenants import Tenant, TenantDomain
from accounts.models.throttles import Throttle

__all__ = [
    "AccessPass",
    "AddressAnchor",
    "Binding",
    "Browser",
    "CallerCheck",
    "Ceremony",
    "EnrolmentLink",
    "HelpRequest",
    "HelpRules",
    "Intervention",
    "Invitation",
    "KeyCanary",
    "Notice",
    "PendingEnrolment",
    "RecoveryCode",
    "Role",
    "Session",
    "Tenant",
    "TenantDomain",
    "Throttle",
    "User",
    "WebAuthnCredential",
]
