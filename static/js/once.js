// A form goes out once. A second click would make the browser drop the first answer, and with it the codes or the session
// that came in it. After a while it may be sent again: the network may have swallowed it.
const WHILE = 10_000 // ms

const sent = new WeakMap()

document.addEventListener('submit', (event) => {
  const form = event.target
  if (event.defaultPrevented || 'repeatable' in form.dataset) return
  if (event.timeStamp - (sent.get(form) ?? -WHILE) < WHILE) event.preventDefault()
  else sent.set(form, event.timeStamp)
})

window.addEventListener('pageshow', (event) => { // back again: the same page, to be sent anew
  if (event.persisted) for (const form of document.forms) sent.delete(form)
})
