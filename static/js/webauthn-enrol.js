// Adding a security key or passkey. A key that is to sign in without a password must know its owner and keep the account.
import { ceremony, create, optionsInPage } from './webauthn.js'

const form = document.getElementById('webauthn-form')

const options = () => {
  const chosen = optionsInPage()
  if (form.elements.passwordless?.checked) {
    chosen.authenticatorSelection = {
      ...chosen.authenticatorSelection,
      residentKey: 'required',
      requireResidentKey: true,
      userVerification: 'required',
    }
  }
  return chosen
}

ceremony({
  button: document.getElementById('webauthn-button'),
  form,
  purpose: 'create',
  run: () => create(options()),
})
