// Signing in with a passkey: offered in the address field's autofill list, and behind a button.
import { ceremony, get, obstacle, optionsFrom } from './webauthn.js'

const FRESH_FOR = 4 * 60 * 1000 // ms; the server forgets a challenge after five minutes

const form = document.getElementById('passkey-form')
const button = document.getElementById('webauthn-button')
let offer = null // the conditional request that waits in the autofill list
let conditional = false // whether this browser has such a list

const fetchOptions = async (signal) => {
  const response = await fetch(form.action, {
    headers: { Accept: 'application/json' }, credentials: 'same-origin', cache: 'no-store', signal,
  })
  if (!response.ok) throw new DOMException(`HTTP ${response.status}`, 'NetworkError')
  return optionsFrom(await response.json())
}

const withdraw = () => {
  offer?.controller.abort()
  offer = null
}

/** Puts passkeys into the autofill list. Fails quietly: the button and the password are still there. */
const propose = async () => {
  withdraw()
  const controller = new AbortController()
  offer = { controller, since: Date.now() }
  try {
    const options = await fetchOptions(controller.signal)
    form.elements.credential.value = await get(options, { signal: controller.signal, mediation: 'conditional' })
    form.submit()
  } catch {
    // Aborted by the button, refused, or no passkey here.
  }
}

const renew = () => {
  if (document.visibilityState === 'visible' && offer && Date.now() - offer.since > FRESH_FOR) propose()
}

ceremony({
  button,
  form,
  purpose: 'get',
  run: async () => {
    withdraw() // the browser allows one request at a time
    try {
      return await get(await fetchOptions())
    } catch (error) {
      if (conditional) propose()
      throw error
    }
  },
})

conditional = !obstacle() && Boolean(await PublicKeyCredential.isConditionalMediationAvailable?.())
if (conditional) {
  document.addEventListener('visibilitychange', renew)
  document.addEventListener('focusin', renew)
  propose()
}
