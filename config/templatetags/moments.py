"""`{{ at|moment }}` and `{{ at|zoned_moment }}`, in every template: see `accounts.moments`. Of None, nothing."""

from datetime import datetime

from django import template

from accounts import moments

register = template.Library()


@register.filter(expects_localtime=True, is_safe=False)
def moment(at: datetime | None) -> str:
    return moments.moment(at) if at else ""


@register.filter(expects_localtime=True, is_safe=False)
def zoned_moment(at: datetime | None) -> str:
    return moments.zoned_moment(at) if at else ""
