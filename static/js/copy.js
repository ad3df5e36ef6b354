// "Copy": takes `data-plain` of the named element, or the text of its items, one on each line.
const textOf = (element) =>
  element.dataset.plain ?? Array.from(element.querySelectorAll('li'), (item) => item.textContent.trim()).join('\n')

const say = (words) => {
  const live = document.getElementById('live')
  live.textContent = ''
  setTimeout(() => { live.textContent = words }, 50)
}

const copy = async (button, element) => {
  try {
    await navigator.clipboard.writeText(textOf(element))
  } catch {
    getSelection().selectAllChildren(element) // not allowed: leave it selected, for the keyboard's own copy
    return
  }
  const label = button.querySelector('[data-label]')
  const before = label.textContent
  label.textContent = button.dataset.done
  say(button.dataset.done)
  setTimeout(() => { label.textContent = before }, 2500)
}

for (const button of document.querySelectorAll('[data-copy]')) {
  const element = document.getElementById(button.dataset.copy)
  button.addEventListener('click', () => copy(button, element))
  button.hidden = false
}
