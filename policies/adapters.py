"""The tenant's policy, as the accounts room asks for it: named by `MFA_ADAPTER` and `ACCOUNT_ADAPTER`."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from accounts.adapters import AccountAdapter, EncryptedMFAAdapter
from accounts.assurance import Method
from accounts.authenticators.webauthn_ceremonies import UserVerification
from accounts.authenticators.webauthn_demands import KeyDemands
from accounts.gates import Explanation
from accounts.models import User
from policies import demands, enforcement, engine, explanations, facts, groups, sensitive
from policies.flows import sign_ins
from policies.terms import Outcome, Reason

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


class PolicyMFAAdapter(EncryptedMFAAdapter):
    """Answers with the policy of the person's tenant; no policy, no permission."""

    def allowed_methods(self, person: User) -> tuple[Method, ...]:
        found = facts.situation(person, owned=())  # a question of who they are alone
        if found.rules is None:
            return ()
        rules = demands.personal(found.rules, found.facts)
        usable = demands.enrollable(rules, found.facts)
        return tuple(m for m in rules.allowed if m in usable or m is Method.RECOVERY_CODE)

    def may_remove(self, person: User, binding_id: uuid.UUID) -> bool:
        found = facts.situation(person)
        return found.rules is not None and sensitive.allows_removal(
            found.rules, found.facts, binding_id, timezone.now()
        )

    def removable(self, person: User) -> frozenset[uuid.UUID]:
        found, now = facts.situation(person), timezone.now()
        if found.rules is None:
            return frozenset()
        owned = [one.binding for one in found.facts.enrolled]
        return frozenset(one for one in owned if sensitive.allows_removal(found.rules, found.facts, one, now))

    def may_turn_off(self, person: User) -> bool:
        found = facts.situation(person, owned=())
        return found.rules is not None and sensitive.may_turn_off(found.rules, found.facts, timezone.now())

    def is_fresh(self, person: User, session: "SessionStore") -> bool:
        judged = enforcement.judge(session, person)
        return judged.rules is not None and sensitive.is_fresh(judged.rules, judged.facts, timezone.now())

    def confirmation(self, person: User, session: "SessionStore") -> Explanation:
        return explanations.of_confirmation(enforcement.judge(session, person))

    def explanation(self, person: User, session: "SessionStore", *, with_facts: bool = True) -> Explanation:
        return explanations.to_themselves(enforcement.judge(session, person), person, with_facts=with_facts)

    def group_in_use(self, name: str) -> list[str]:
        return groups.tenants_naming(name)

    def is_demanded(self, person: User) -> bool:
        return facts.mfa_required(person)

    def end_of_grace(self, person: User) -> datetime | None:
        found = facts.situation(person, owned=())
        return None if found.rules is None else demands.end_of_grace(found.rules, found.facts)

    def key_rules(self, person: User) -> KeyDemands:
        sites, found = super().key_rules(person), facts.situation(person, owned=())
        if found.rules is None:
            return sites
        rules = demands.personal(found.rules, found.facts).keys
        return KeyDemands(
            verification=UserVerification.strictest(
                sites.verification, UserVerification(rules.user_verification.value)
            ),
            attested=rules.attested,
            allowed=rules.allowed,
            denied=rules.denied,
            synced=rules.synced,
        )

    def passkey_login_allowed(self, person: User) -> bool:
        """Never an account for emergencies: that needs the password and the key, whatever the policy says."""
        rules = facts.rules_of(person.tenant_id)
        if rules is None or person.pk in rules.break_glass:
            return False
        return settings.MFA_PASSKEY_LOGIN_ENABLED and rules.passkey_login

    def trusted_browser_days(self, person: User) -> int:
        found = facts.situation(person)
        return engine.days_of_trust(found.rules, found.facts, timezone.now())

    def is_let_in_by_proof(self, person: User, session: "SessionStore") -> bool:
        judged = enforcement.judge(session, person, trusting=False)
        return judged.decision.outcome is Outcome.ALLOW and Reason.SECOND_FACTOR_PROVED in judged.decision.reasons

    def decided(self, person: User, session: "SessionStore") -> dict[str, Any]:
        judgement = enforcement.judge(session, person)
        sign_ins.enter(session, person, judgement)
        decision = judgement.decision
        return {
            "decision": decision.outcome.value,
            "reasons": [reason.value for reason in decision.reasons],
            "policy_version": decision.policy_version,
            "deadline": decision.deadline,
        }

    def contact(self, person: User) -> str:
        rules = facts.rules_of(person.tenant_id)
        return "" if rules is None else rules.contact


class PolicyAccountAdapter(AccountAdapter):
    """Puts the policy's second factor into the stages of a sign-in."""

    def get_login_stages(self) -> list[str]:
        return ["accounts.stages.VerifiedAddressStage", "policies.stages.SecondFactorStage"]
