// "Show" beside a password. The button is hidden in the page: without script it could do nothing.
const toggle = (button, input) => {
  const show = input.type === 'password'
  input.type = show ? 'text' : 'password'
  button.textContent = show ? button.dataset.hide : button.dataset.show
  button.setAttribute('aria-label', show ? button.dataset.hideLabel : button.dataset.showLabel)
}

for (const button of document.querySelectorAll('[data-reveal]')) {
  const input = document.getElementById(button.dataset.reveal)
  button.addEventListener('click', () => toggle(button, input))
  // A form leaves with the password hidden, so that no browser remembers it as text.
  input.form?.addEventListener('submit', () => { input.type = 'password' })
  button.hidden = false
}
