"""What every kind of event looks like: its sentence, severity, category and payload fields; a module a subject."""

from audit.catalogue import (
    admissions,
    authenticators,
    browsers,
    calls,
    enforcement,
    interventions,
    people,
    policies,
    recovery,
    sign_in,
    site,
)
from audit.catalogue.declared import CATALOGUE

__all__ = [
    "CATALOGUE",
    "admissions",
    "authenticators",
    "browsers",
    "calls",
    "enforcement",
    "interventions",
    "people",
    "policies",
    "recovery",
    "sign_in",
    "site",
]
