// Shared by the WebAuthn pages: what the browser can do, the ceremony itself, and words for what went wrong.
// The words live in components/webauthn_words.html, where they are translated; this module only picks one.

/** Why this browser cannot take part at all, as a key of the words; null when it can. */
export const obstacle = () => {
  if (!window.isSecureContext) return 'insecure'
  if (!window.PublicKeyCredential) return 'unsupported'
  const parses = PublicKeyCredential.parseCreationOptionsFromJSON && PublicKeyCredential.parseRequestOptionsFromJSON
  return parses && PublicKeyCredential.prototype.toJSON ? null : 'outdated'
}

/** The options the server put into the page, with or without the `publicKey` around them. */
export const optionsFrom = (source) => structuredClone(source.publicKey ?? source)

export const optionsInPage = () => optionsFrom(JSON.parse(document.getElementById('webauthn-options').textContent))

/** Registration: resolves to the JSON text that the server expects; rejects with the browser's DOMException. */
export const create = async (options, signal) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
  return JSON.stringify(await navigator.credentials.create({ publicKey, signal }))
}

/** Assertion: as `create`; `mediation: 'conditional'` offers passkeys in the autofill list. */
export const get = async (options, { signal, mediation } = {}) => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
  return JSON.stringify(await navigator.credentials.get({ publicKey, signal, mediation }))
}

const KNOWN = ['NotAllowedError', 'InvalidStateError', 'SecurityError', 'NotSupportedError', 'ConstraintError', 'NetworkError']

/** The sentences for a failed ceremony; `purpose` is 'create' or 'get'. An abort of our own has none. */
export const wordsFor = (error, purpose) => {
  if (error.name === 'AbortError') return ''
  const name = KNOWN.includes(error.name) ? error.name : 'other'
  return words(`${purpose}-${name}`) || words(name)
}

export const words = (key) => document.querySelector(`#webauthn-words [data-words="${key}"]`)?.textContent.trim() ?? ''

/**
 * One button and the lines around it: says what will happen, waits, and says what did.
 * `run` does the ceremony and resolves to the credential's JSON; it then goes out with the form.
 */
export const ceremony = ({ button, form, purpose, run }) => {
  const waiting = document.getElementById('webauthn-waiting')
  const failure = document.getElementById('webauthn-failure')
  const fail = (text) => {
    failure.querySelector('p').textContent = text
    failure.hidden = !text
  }
  const blocked = obstacle()
  if (blocked) return fail(words(blocked))

  let running = false
  const start = async () => {
    if (running || !form.reportValidity()) return
    running = true
    fail('')
    waiting.hidden = false
    button.setAttribute('aria-disabled', 'true')
    try {
      form.elements.credential.value = await run()
      form.submit()
    } catch (error) {
      fail(wordsFor(error, purpose))
      running = false
      waiting.hidden = true
      button.removeAttribute('aria-disabled')
      button.focus()
    }
  }
  button.addEventListener('click', start)
  form.addEventListener('submit', (event) => { // Enter in a field means the same as the button
    event.preventDefault()
    start()
  })
  window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload() }) // a challenge serves once
  button.hidden = false
  if (button.autofocus && document.activeElement === document.body) button.focus() // what is hidden cannot take it
}
