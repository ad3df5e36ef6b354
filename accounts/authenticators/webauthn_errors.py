"""What can be wrong with a WebAuthn ceremony or its answer: one class per reason.

Each refusal of an assertion carries the `binding` it was about, as soon as that is known, so that the flow
can record against which authenticator somebody tried.
"""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from accounts.errors import AccountsError

if TYPE_CHECKING:
    from accounts.models import Binding


class WebAuthnError(AccountsError):
    """Base of every refusal here; never raised itself. The ceremony named by the answer is used up."""

    code = "webauthn_error"

    def __init__(self, binding: "Binding | None" = None) -> None:
        super().__init__()
        self.binding = binding


class MalformedAnswer(WebAuthnError):
    """Not the JSON, base64url, CBOR or COSE that WebAuthn prescribes, or larger than anything real."""

    code = "webauthn_malformed"
    message = _(
        "Your browser's answer could not be read. Reload the page and try again; if that does not help, "
        "update your browser or use another one."
    )


class CeremonyClosed(WebAuthnError):
    """Not open: expired, used, or begun in another session, by another person or for another purpose."""

    code = "webauthn_expired"
    message = _(
        "This request is no longer open: it was used already, begun in another tab, or is too old. "
        "Reload the page and try again."
    )


class WrongType(WebAuthnError):
    """The answer to a registration was given where a sign-in was asked, or the other way round."""

    code = "webauthn_wrong_type"
    message = _("Your browser answered another question than we asked. Reload the page and try again.")


class WrongOrigin(WebAuthnError):
    """The ceremony ran on a page of another origin than the site's own."""

    code = "webauthn_wrong_origin"
    message = _(
        "The answer came from another web address than this site's. Check the address bar, "
        "and open the site from your own bookmark."
    )


class EmbeddedPage(WebAuthnError):
    """The ceremony ran inside somebody else's page."""

    code = "webauthn_embedded"
    message = _("This site was shown inside another page. Open it in a tab of its own and try again.")


class WrongRelyingParty(WebAuthnError):
    """The authenticator signed for another relying party id."""

    code = "webauthn_wrong_rp"
    message = _("Your key answered for another site. Check the address bar and try again.")


class NotPresent(WebAuthnError):
    """The authenticator says that nobody touched it."""

    code = "webauthn_not_present"
    message = _("Nobody touched the key. Try again, and touch it when it blinks.")


class NotVerified(WebAuthnError):
    """User verification was required and did not happen."""

    code = "webauthn_not_verified"
    message = _(
        "Your key did not check that it is you. Use your fingerprint, face, screen lock or the key's PIN; "
        "a key without a PIN can be given one in your system's settings."
    )


class BadSignature(WebAuthnError):
    """The signature does not fit the public key."""

    code = "webauthn_bad_signature"
    message = _("Your key's answer does not check out. Reload the page and try again, or use another method.")


class BackupStateInvalid(WebAuthnError):
    """Backed up without being eligible for backup, which no key can be (WebAuthn L3 §6.1.3)."""

    code = "webauthn_backup_state"
    message = _("Your key describes itself in a way that cannot be. Update its software, or use another key.")


class BackupEligibilityChanged(WebAuthnError):
    """A credential bound to one device became one that can be copied, or the other way round."""

    code = "webauthn_backup_changed"
    message = _(
        "This key no longer is what it was when you added it, so it was refused. "
        "Use another method, remove the key, and add it again."
    )


class AlgorithmRefused(WebAuthnError):
    """The new key's algorithm was not offered, or its parameters are unsound."""

    code = "webauthn_algorithm"
    message = _("This key uses a kind of signature that is not accepted here. Use another key.")


class AttestationRefused(WebAuthnError):
    """The attestation statement is of a format we did not ask for, or does not verify."""

    code = "webauthn_attestation"
    message = _("This key's statement about itself could not be checked. Try again, or use another key.")


class AttestationUnsupported(AttestationRefused):
    """The attestation statement is of a format that is not verified here, such as `tpm`, `apple` or `android-key`."""

    code = "webauthn_attestation_format"
    message = _(
        "This key describes itself in a way that cannot be checked here, as keys that are built into computers and "
        "phones do. Use a security key that you plug in or hold to your phone."
    )


class NotAttested(WebAuthnError):
    """The policy demands that the maker vouch for a key, and nobody did."""

    code = "webauthn_not_attested"
    message = _(
        "Your organisation accepts only keys that prove who made them, and this one did not. Try again, and let this "
        "site see the make and model of your key if your browser asks; otherwise use another key."
    )


class AttestationUntrusted(NotAttested):
    """Somebody vouches for the key, but nobody whom this site knows: the certificates lead to no pinned root."""

    code = "webauthn_untrusted"
    message = _(
        "This site does not know the maker of this key, so your organisation does not accept it. "
        "Use a key of another make, or ask your administrator which keys are accepted."
    )


class ModelNotAllowed(WebAuthnError):
    """The policy lists the models (AAGUIDs) that are allowed, and this is none of them."""

    code = "webauthn_model_not_allowed"
    message = _(
        "Your organisation accepts certain models of keys only, and this is none of them. "
        "Use another key, or ask your administrator which models are accepted."
    )


class ModelDenied(WebAuthnError):
    """The policy refuses this model (AAGUID) by name."""

    code = "webauthn_model_denied"
    message = _("Your organisation does not accept this model of key. Use a key of another model.")


class SyncedNotAllowed(WebAuthnError):
    """The passkey may leave its device (it is eligible for backup), and the policy wants keys that stay."""

    code = "webauthn_synced"
    message = _(
        "This passkey can be copied to other devices, which your organisation does not allow. "
        "Use a security key, or a passkey that stays on one device."
    )


class CredentialIdTooLong(WebAuthnError):
    """Longer than 1023 bytes (WebAuthn L3 §7.1 step 25)."""

    code = "webauthn_id_too_long"
    message = _("This key's identifier is longer than the standard allows. Use another key.")


class CredentialTaken(WebAuthnError):
    """The credential is registered already, for this person or somebody else."""

    code = "webauthn_taken"
    message = _("This key is registered already. Use another key, or look for it in the list of yours.")


class NotDiscoverable(WebAuthnError):
    """A passkey was asked for, and the authenticator says it kept none."""

    code = "webauthn_not_discoverable"
    message = _("This key cannot keep passkeys. Add it as a second step instead, or use another key.")


class NoCredentials(WebAuthnError):
    """The person has no key that could answer."""

    code = "webauthn_none"
    message = _("You have no security key or passkey here. Use another method.")


class UnknownCredential(WebAuthnError):
    """No live credential of this id, or it is somebody else's."""

    code = "webauthn_unknown"
    message = _(
        "This key is not registered for you, or was removed. Use another key or another method; "
        "you may delete its passkey for this site."
    )


class WrongPerson(WebAuthnError):
    """The user handle is missing where it must be, or is not that of the credential's owner."""

    code = "webauthn_wrong_person"
    message = _("This key answered for another account. Choose the right account and try again.")


class SecondFactorOnly(WebAuthnError):
    """The key was enrolled as a second step: by itself it signs nobody in (NIST SP 800-63B-4 §2.2.1)."""

    code = "webauthn_second_factor_only"
    message = _("This key works as a second step. Sign in with your address and password first.")


class PersonInactive(WebAuthnError):
    """The passkey is right, but its owner's account is switched off."""

    code = "webauthn_inactive"
    message = _("This account is switched off. Ask your administrator.")


class CloneSuspected(WebAuthnError):
    """The signature counter did not go up: somebody may have a copy of the key (WebAuthn L3 §7.2 step 22)."""

    code = "webauthn_clone_suspected"
    message = _(
        "This key may have been copied, so it was refused and the event was recorded. "
        "Use another method, remove the key, and tell your administrator."
    )

    def __init__(self, binding: "Binding", received: int) -> None:
        super().__init__(binding)
        self.stored = binding.last_counter
        self.received = received
