// Build the page.
function goTo(hash) {
  const [name, key] = hash.slice(1).split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const card = cards.find((each) => each.picture.id === name);
  if (!card) return;
  card.element.scrollIntoView({ block: 'start' });
  const item = card.picture.items.find((each) => each.key === key);
  if (item) openView(card.picture, item);
}

const main = document.getElementById('pictures');
pictures.forEach((picture, number) => {
  const card = new Card(picture);
  card.element.card = card;
  card.order = card.place = number;
  cards.push(card);
  main.append(card.element);
});
main.classList.toggle('one', cards.length === 1);
main.classList.toggle('few', cards.length === 2);
if (cards.length > 2) frameAlike();

// Pictures of several shapes in frames of one: that of most of them.
function frameAlike() {
  const shapes = pictures.map((picture) => picture.w / picture.h).sort((one, other) => one - other);
  const shape = Math.min(Math.max(shapes[Math.floor(shapes.length / 2)], 0.8), 1.8);
  main.classList.add('framed');
  for (const card of cards) {
    card.mount.style.aspectRatio = String(shape);
    card.mount.classList.toggle('upright', card.picture.w / card.picture.h < shape);
  }
}

form.addEventListener('submit', (event) => event.preventDefault());
form.append(...(index.widget ? [] : filterForm()), ...lookForm());
paintBars();
applyFilters();
document.getElementById('reset').addEventListener('click', clearFilters);
document.querySelector('.skip')?.addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});

const side = document.getElementById('side');
const wide = window.matchMedia('(min-width: 58.01rem)');
const unfold = () => (side.open = wide.matches);
wide.addEventListener('change', unfold);
unfold();

for (const card of cards) watcher.observe(card.element);
window.addEventListener('resize', refreshAll);
if (!index.widget) {
  window.addEventListener('hashchange', () => goTo(location.hash));
  if (location.hash) goTo(location.hash);
} else {
  // A notebook's frame takes the place of the drawing before it, and grows to what it shows, where it may.
  const fit = () => {
    try {
      const frame = window.frameElement;
      if (!frame) return;
      frame.style.height = `${document.body.scrollHeight + 4}px`;
      if (frame.previousElementSibling?.tagName === 'IMG') frame.previousElementSibling.style.display = 'none';
    } catch {
      // another origin's frame keeps its height
    }
  };
  new ResizeObserver(fit).observe(document.querySelector('.frame'));
}
document.documentElement.dataset.ready = 'yes';
