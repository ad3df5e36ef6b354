// Six digits however they come: "123 456", "123-456", Arabic-Indic, Persian or full-width. Never blocks a paste, never submits.
const ZEROS = [0x0660, 0x06f0, 0xff10]

const ascii = (character) => {
  const point = character.codePointAt(0)
  const zero = ZEROS.find((start) => point >= start && point <= start + 9)
  return zero === undefined ? character : String(point - zero)
}

const tidy = (text) => Array.from(text, ascii).join('').replace(/[\s\u200e\u200f-]/g, '')

for (const input of document.querySelectorAll('[data-code]')) {
  input.addEventListener('input', () => {
    const value = tidy(input.value)
    if (value !== input.value) input.value = value
  })
}
