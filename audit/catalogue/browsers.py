"""Browsers: seen for the first time, trusted, let in by that trust, and trusted no more."""

from functools import partial

from django.utils.translation import gettext_lazy as _

from audit.catalogue.declared import CATALOGUE
from audit.catalogue.fields import Declare
from audit.catalogue.reasons import REASON
from audit.declarations import ID, MOMENT, NUMBER, Category, Severity
from audit.kinds import Kind

_BROWSER = {"browser": ID, "session": ID}
_browsers: Declare = partial(CATALOGUE.declare, Category.SIGN_IN)
_browsers(Kind.BROWSER_FIRST_SEEN, _("%(target)s signed in with a new browser."), Severity.NOTICE, **_BROWSER)
_browsers(
    Kind.BROWSER_TRUSTED,
    _("%(target)s trusts a browser until %(until)s."),
    Severity.NOTICE,
    until=MOMENT,
    policy_version=NUMBER,
    **_BROWSER,
)
_browsers(
    Kind.BROWSER_TRUST_USED,
    _("%(target)s was let in by a trusted browser, without a second factor."),
    policy_version=NUMBER,
    **_BROWSER,
)
_browsers(
    Kind.BROWSER_TRUST_ENDED, _("A browser of %(target)s is trusted no more: %(reason)s."), reason=REASON, **_BROWSER
)
