"""The admin's pages for policies, tenants and people; importing this registers them."""

from typing import Any

from django.contrib import admin

from policies.admin import (
    campaigns,
    events,
    people,
    policies,
    reminder_rounds,
    reminders,
    status_lists,
    status_pages,
    tenants,
)

__all__ = [
    "campaigns",
    "events",
    "people",
    "policies",
    "reminder_rounds",
    "reminders",
    "status_lists",
    "status_pages",
    "tenants",
]

_site: Any = admin.site  # ours, which takes pages
_site.add_pages((*status_pages.PAGES, *reminder_rounds.PAGES, *status_lists.PAGES))
