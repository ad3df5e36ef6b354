// Loads the page anew when what it shows has run out: an element says in how many seconds, by `data-refresh`.
const element = document.querySelector('[data-refresh]')
if (element) setTimeout(() => location.reload(), (Number(element.dataset.refresh) + 1) * 1000)
