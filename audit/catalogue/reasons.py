"""What sentences say for the reasons that flows record; a reason without words is said as it is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.declarations import TEXT

REASON_WORDS: Final[Mapping[str, Promise | str]] = {
    # proofs
    "wrong_code": _("the code was wrong"),
    "wrong_password": _("the password was wrong"),
    "wrong_recovery_code": _("no recovery code that is unused"),
    "code_already_used": _("the code had been used before"),
    "unknown_address": _("nobody has this address"),
    "method_not_allowed": _("the policy does not accept this method"),
    "not_enrolled": _("nothing of that kind is set up"),
    "already_enrolled": _("it had been set up already"),
    "enrolment_expired": _("setting it up took too long"),
    "enrolment_guarded": _("setting it up takes more than a password"),
    "last_authenticator": _("the policy asks for it, and there is no other"),
    "link_invalid": _("the link was used up, too old, or wrong"),
    # keys and passkeys
    "webauthn_malformed": _("the answer is not one that a key gives"),
    "webauthn_expired": _("the question was too old, or was somebody else's"),
    "webauthn_wrong_type": _("an answer to another question"),
    "webauthn_wrong_origin": _("it was used on another site’s page"),
    "webauthn_embedded": _("it was used inside another site’s page"),
    "webauthn_wrong_rp": _("the key signed for another site"),
    "webauthn_not_present": _("nobody touched the key"),
    "webauthn_not_verified": _("the key did not ask for a PIN or a fingerprint"),
    "webauthn_bad_signature": _("the signature is not the key’s"),
    "webauthn_backup_state": _("it says of itself what cannot be"),
    "webauthn_backup_changed": _("a key bound to its device became one that can be copied, or the other way round"),
    "webauthn_clone_suspected": _("there may be a copy of the key"),
    "webauthn_algorithm": _("the key’s algorithm is not accepted"),
    "webauthn_attestation": _("what the maker vouches for is wrong"),
    "webauthn_attestation_format": _("the maker vouches in a way that cannot be checked"),
    "webauthn_not_attested": _("no maker vouches for the key"),
    "webauthn_untrusted": _("a maker who is not known vouches for the key"),
    "webauthn_model_not_allowed": _("the policy does not list this model"),
    "webauthn_model_denied": _("the policy refuses this model"),
    "webauthn_synced": _("the policy wants keys that stay on their device"),
    "webauthn_id_too_long": _("the key’s id is too long"),
    "webauthn_taken": _("the key was registered before"),
    "webauthn_not_discoverable": _("the device keeps no passkey"),
    "webauthn_none": _("there is no key"),
    "webauthn_unknown": _("a key that nobody here has"),
    "webauthn_wrong_person": _("somebody else’s key"),
    "webauthn_second_factor_only": _("the key is a second step alone"),
    "webauthn_inactive": _("the key’s owner is switched off"),
    # the policy's word
    "person_inactive": _("the account is switched off"),
    "tenant_inactive": _("the tenant is switched off"),
    "no_policy": _("the tenant has no policy"),
    "no_evidence": _("nothing was proved that still counts"),
    # endings
    "ended_by_administrator": _("by an administrator"),
    "ended_by_owner": _("by its owner"),
    "idle": _("it was not used for too long"),
    "deactivated": _("the account was switched off"),
    "password_changed": _("the password was changed"),
    "password_demanded": _("a new password was demanded"),
    "two_step_turned_off": _("two-step verification was turned off"),
    "reset": _("an administrator reset the account"),
    "removal": _("an administrator removed an authenticator"),
    "disowned": _("they said that it was not them"),
    "security_changed": _("what protects the account was changed"),
    # passes
    "no_pass": _("there is none"),
    "wrong_access_pass": _("it was wrong"),
    "by_administrator": _("an administrator took it back"),
    "replaced": _("a newer one takes its place"),
    "too_many_tries": _("too many wrong ones were entered"),
    "enrolled": _("something was set up"),
    # administration
    "not_allowed": _("they have no right to it"),
    "not_found": _("nothing that they may see is there"),
    "not_staff": _("they administer nothing"),
    "not_fresh": _("their sign-in was too long ago"),
    "not_offered": _("this is not offered here"),
    "not_independent": _("somebody who is independent has to decide"),
    # keys of the site
    "missing": _("none is stored"),
    "unreadable": _("none of the keys opens it"),
    "primary_unreadable": _("the first key does not open its own"),
    "unknown_key": _("its key is not configured"),
    "tampered": _("it was changed or cut short"),
    "wrong_context": _("it was sealed for another place"),
    "malformed": _("it is no ciphertext"),
    "foreign": _("another site’s, and not adopted"),
    "misfiled": _("the column beside it names another key"),
    "not_adopted": _("left by another site and not adopted"),
    "already_bound": _("the same was set up here meanwhile"),
    "no_factor": _("recovery codes of somebody who has nothing else"),
    "interrupted": _("it was interrupted"),
}
REASON = replace(TEXT, words=REASON_WORDS)
