// A policy in sentences, as the server reads what is typed: asked a moment after a change. Nothing is saved by it.
const PAUSE = 300 // ms

const form = document.querySelector('form[data-summary]')
const state = document.querySelector('[data-summary-state]')
const lists = document.querySelectorAll('[data-summary-list]')

// Sentences that stay keep their place in the page, so that only new ones are read out.
const fill = (list, sentences) => {
  const there = new Map(Array.from(list.children, (item) => [item.textContent.trim(), item]))
  list.replaceChildren(...sentences.map((sentence) => {
    const item = there.get(sentence) ?? document.createElement('li')
    if (!there.has(sentence)) item.textContent = sentence
    return item
  }))
  if (list.previousElementSibling?.tagName === 'H3') list.previousElementSibling.hidden = !sentences.length
}

// An error names the field as the page does: by its label, or by the title of its group.
const inWords = ([field, sentence]) => {
  const name = CSS.escape(field)
  const label = document.querySelector(`#rule_${name} > :is(label, b), #group_${name} h3, label[for="id_${name}"]`)
  return label ? `${label.textContent.trim()}: ${sentence}` : sentence
}

const show = (answer) => {
  const errors = Object.entries(answer.errors).map(inWords)
  const said = { ...answer, errors }
  for (const list of lists) fill(list, said[list.dataset.summaryList])
  state.textContent = errors.length ? state.dataset.wrong : state.dataset.typed
}

let waiting, asking

const ask = async () => {
  asking?.abort()
  asking = new AbortController()
  try {
    const response = await fetch(form.dataset.summary, {
      method: 'POST',
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: 'application/json' },
      signal: asking.signal,
    })
    if (!response.ok || response.redirected) throw new TypeError('no summary')
    show(await response.json())
  } catch (error) {
    if (error.name !== 'AbortError') state.textContent = state.dataset.failed
  }
}

form?.addEventListener('input', () => {
  clearTimeout(waiting)
  waiting = setTimeout(ask, PAUSE)
})
