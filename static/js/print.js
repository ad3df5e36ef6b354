// "Print": the print layer of site.css leaves only what belongs on paper.
for (const button of document.querySelectorAll('[data-print]')) {
  button.addEventListener('click', () => window.print())
  button.hidden = false
}
