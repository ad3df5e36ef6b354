// Work under way (a round of reminders, an export): looks again by itself until it is over. Without this module "Look again" does it.
const EVERY = 4000 // ms
const MOST = 150 // looks: ten minutes, so that an open page does not keep an idle session alive

const round = document.getElementById('round')
const pause = document.getElementById('round-pause')
const status = document.getElementById('round-status')
let looks = 0
let timer = 0

const stop = () => {
  clearInterval(timer)
  pause.hidden = true
}

const show = (newer) => {
  const headline = (part) => part.querySelector('h2').textContent.trim().replace(/\s+/g, ' ')
  if (headline(newer) !== headline(round)) status.textContent = headline(newer)
  round.replaceChildren(...newer.childNodes)
  if (!('underWay' in newer.dataset)) stop()
}

const look = async () => {
  if (document.hidden) return
  if (++looks > MOST) return stop()
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' } })
    if (answer.redirected) return location.reload() // signed out meanwhile: the page leads to the sign-in
    if (!answer.ok) return
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    show(page.getElementById('round'))
  } catch {
    // the network is away; the next look may find it again
  }
}

if (round && 'underWay' in round.dataset) {
  timer = setInterval(look, EVERY)
  pause.hidden = false
  pause.addEventListener('click', stop)
}
