"""The tenant's policy, as the accounts room asks for it: named by `MFA_ADAPTER` and `ACCOUNT_ADAPTER`."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from accounts.adapters import AccountAdapter, EncryptedMFAAdapter
from accounts.allauth_compat import EMAIL_VERIFICATION_STAGE
from accounts.assurance import Method
from accounts.models import User
from policies import engine, facts

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


class PolicyMFAAdapter(EncryptedMFAAdapter):
    """Answers with the policy of the person's tenant; no policy, no permission."""

    def allowed_methods(self, person: User) -> tuple[Method, ...]:
        rules = facts.rules_of(person.tenant_id)
        if rules is None:
            return ()
        usable = engine.enrollable(rules, facts.gather(person))
        return tuple(m for m in rules.allowed if m in usable or m is Method.RECOVERY_CODE)

    def may_remove(self, person: User, binding_id: uuid.UUID) -> bool:
        rules = facts.rules_of(person.tenant_id)
        return rules is not None and engine.allows_removal(rules, facts.gather(person), binding_id)

    def may_turn_off(self, person: User) -> bool:
        rules = facts.rules_of(person.tenant_id)
        return rules is not None and engine.may_turn_off(rules, facts.gather(person))

    def is_fresh(self, person: User, session: "SessionStore") -> bool:
        rules = facts.rules_of(person.tenant_id)
        if rules is None:
            return False
        gathered = facts.gather(person, session.proofs_of(person), signed_in_at=session.row.signed_in_at)
        return engine.is_fresh(rules, gathered, timezone.now())

    def fresh_for(self, person: User) -> timedelta:
        rules = facts.rules_of(person.tenant_id)
        return timedelta(0) if rules is None else rules.fresh_for

    def passkey_login_allowed(self, person: User) -> bool:
        rules = facts.rules_of(person.tenant_id)
        return settings.MFA_PASSKEY_LOGIN_ENABLED and rules is not None and rules.passkey_login


class PolicyAccountAdapter(AccountAdapter):
    """Puts the policy's second factor into the stages of a sign-in."""

    def get_login_stages(self) -> list[str]:
        return [EMAIL_VERIFICATION_STAGE, "policies.stages.SecondFactorStage"]
