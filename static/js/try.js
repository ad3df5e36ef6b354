// "Try it": shows how far the run is, then its result. Without this module the same form answers with a whole page.
const LINES = 'application/x-ndjson'

const form = document.getElementById('try-form')
const part = (name) => document.getElementById(`try-${name}`)

const show = (line) => {
  if ('total' in line) {
    part('bar').max = Math.max(line.total, 1)
    part('bar').value = line.total ? line.done : 1
    return false
  }
  const page = new DOMParser().parseFromString(line.html, 'text/html')
  part('result').replaceChildren(...page.body.childNodes)
  return true
}

const read = async (stream) => {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  let isWhole = false
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return isWhole
    const lines = (rest + value).split('\n')
    rest = lines.pop()
    for (const line of lines) isWhole = show(JSON.parse(line)) || isWhole
  }
}

const run = async () => {
  const body = new URLSearchParams(new FormData(form))
  const answer = await fetch(form.action, { method: 'POST', body, headers: { Accept: LINES } })
  if (answer.redirected) location.reload() // signed out meanwhile: the page leads to the sign-in
  if (!answer.ok || !(answer.headers.get('Content-Type') ?? '').startsWith(LINES)) return false
  return read(answer.body)
}

form?.addEventListener('submit', async (event) => {
  event.preventDefault()
  const button = form.querySelector('button')
  button.disabled = true
  part('failure').hidden = true
  part('bar').value = 0
  part('progress').hidden = false
  part('status').textContent = part('status').dataset.busy
  let isWhole = false
  try {
    isWhole = await run()
  } catch {
    isWhole = false // cut off on the way
  }
  button.disabled = false
  part('progress').hidden = true
  part('status').textContent = isWhole ? part('status').dataset.done : ''
  part('failure').hidden = isWhole
  if (isWhole) part('result').focus({ preventScroll: true })
})
