"""This room's part of the admin: tenants and their policies, and people with what is demanded of them."""

from policies.admin import people, policies, tenants

__all__ = ["people", "policies", "tenants"]
