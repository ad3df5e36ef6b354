"""This room's part of the admin. People themselves are in `policies.admin`: shown with what is demanded of them."""

from accounts.admin import authenticators, groups, help_requests, interventions, notices, sessions, tasks

__all__ = ["authenticators", "groups", "help_requests", "interventions", "notices", "sessions", "tasks"]
