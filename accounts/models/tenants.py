"""Organisations, and the mail domains whose verified addresses belong to them."""

import uuid
import zoneinfo
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

DEFAULT_TENANT_SLUG = "default"

# Anybody can have an address there: such a domain would hand the tenant to strangers.
PUBLIC_MAIL_HOSTS = frozenset(
    "aol.com fastmail.com gmail.com gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.com icloud.com live.com "
    "mac.com mail.com mail.ru me.com msn.com outlook.com posteo.de proton.me protonmail.com qq.com rocketmail.com "
    "t-online.de tutanota.com web.de yahoo.com yahoo.de yandex.com yandex.ru ymail.com zoho.com 163.com".split()
)


def validate_time_zone(name: str) -> None:
    """Refuse a name that the IANA database does not know."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValidationError(_("“%(name)s” is not a time zone."), params={"name": name}) from error


def validate_domain(domain: str) -> None:
    """Refuse what is no mail domain, and the hosts where anybody can open an account."""
    if domain.lower() in PUBLIC_MAIL_HOSTS:
        raise ValidationError(
            _("Anybody can get an address at %(domain)s, so it cannot belong to one tenant."),
            params={"domain": domain},
        )


class Tenant(models.Model):
    """One organisation. Made only by `policies.flows.tenants.create`, which gives it its policy.

    `policy_version` is kept by `policies.flows.publish`: the path of every request compares it with the
    session's grant, so a published policy bites on the next request of every session.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("short name"), max_length=63, unique=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_time_zone])
    totp_issuer = models.CharField(
        _("name in authenticator apps"),
        max_length=60,
        blank=True,
        validators=[
            RegexValidator(r"^[^:%\x00-\x1f]*$", _("Leave out colons, per cent signs and control characters."))
        ],
        help_text=_("What people see in their app beside the code. Empty: the tenant's name."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_default = models.BooleanField(_("default"), default=False, editable=False)
    policy_version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="one_default_tenant"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def tenant_id(self) -> uuid.UUID:
        """The tenant that an event about this object belongs to: itself."""
        return self.pk

    @property
    def issuer(self) -> str:
        """The issuer in `otpauth://` links: the tenant's setting or its name, without the label's separator."""
        return self.totp_issuer or self.name.replace(":", " ").replace("%", " ")

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)


class TenantDomain(models.Model):
    """A mail domain whose verified addresses join the tenant at sign-up. Set by platform administrators only."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains", verbose_name=_("tenant"))
    domain = models.CharField(
        _("domain"),
        max_length=253,
        unique=True,
        validators=[
            RegexValidator(
                r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$",
                _("Enter a domain such as example.com."),
            ),
            validate_domain,
        ],
    )

    class Meta:
        verbose_name = _("mail domain")
        verbose_name_plural = _("mail domains")
        ordering = ["domain"]

    def __str__(self) -> str:
        return self.domain

    def clean_fields(self, exclude: Any = None) -> None:
        self.domain = self.domain.strip().lower().rstrip(".")
        super().clean_fields(exclude=exclude)
