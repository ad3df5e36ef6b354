// Second factor and "Confirm it's you" with a security key or passkey.
import { ceremony, get, optionsInPage } from './webauthn.js'

const button = document.getElementById('webauthn-button')

ceremony({
  button,
  form: document.getElementById('webauthn-form'),
  purpose: 'get',
  run: () => get(optionsInPage()),
})
