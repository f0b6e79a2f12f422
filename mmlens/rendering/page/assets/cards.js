// A card a picture.
const cards = [];
const addressOf = (picture, item) => `#${encodeURIComponent(picture.id)}${item ? `/${encodeURIComponent(item.key)}` : ''}`;
const plural = (number, noun) => `${number.toLocaleString('en')} ${number === 1 ? noun : noun.endsWith('s') || noun.endsWith('x') ? `${noun}es` : `${noun}s`}`;
const nounOf = (picture) => (picture.items.length && picture.items.every((item) => !item.box) ? 'class' : 'box');

function altOf(picture) {
  const names = {};
  for (const item of picture.items) names[item.name] = (names[item.name] || 0) + 1;
  const found = Object.entries(names).map(([name, number]) => (number > 1 ? `${number} ${name}` : name));
  return `${picture.name || 'picture'}: ${found.join(', ') || 'nothing found'}`;
}

class Card {
  constructor(picture) {
    this.picture = picture;
    this.items = picture.items; // those that the filters let through
    this.pointed = null;
    this.awake = false;
    this.photo = make('img', { alt: altOf(picture), decoding: 'async', draggable: false });
    this.canvas = make('canvas', { 'aria-hidden': 'true' });
    this.tag = tagOf();
    this.stage = make('div', { className: 'stage' }, this.photo, this.canvas);
    this.stage.style.aspectRatio = `${picture.w} / ${picture.h}`;
    this.mount = make('div', { className: 'mount' }, this.stage);
    this.told = make('p', { className: 'told' });
    this.number = make('span');
    this.list = make('ul', { className: 'items', 'aria-label': `${nounOf(picture) === 'box' ? 'Boxes' : 'Classes'} of ${picture.name}` });
    this.chips = new Map();
    const title = make('h2', { title: picture.name }, index.widget ? picture.name : make('a', { href: addressOf(picture) }, picture.name));
    this.element = make('article', { className: 'card', 'aria-label': picture.name, dataset: { picture: picture.id } },
      this.mount, make('div', { className: 'caption', hidden: !picture.name }, title, this.number), this.told, this.list);
    this.told.classList.toggle('long', picture.items.some((item) => item.maps.some((map) => map.blank)));
    this.stage.addEventListener('pointermove', (event) => event.pointerType === 'mouse' && this.point(this.at(event)));
    this.stage.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && this.point(null));
    this.stage.addEventListener('pointerup', (event) => this.tapped(event));
    this.list.addEventListener('pointerleave', () => this.point(this.focused()));
  }

  // What is in a card is made when it comes near, or somebody goes there: most of a long page is never seen.
  fill() {
    if (this.chips.size || !this.picture.items.length) return;
    for (const item of this.picture.items) this.addChip(item);
    this.sift();
  }

  chipOf(item) {
    this.fill();
    return this.chips.get(item.key);
  }

  addChip(item) {
    const dot = make('span', { className: 'dot', 'aria-hidden': 'true' });
    dot.style.background = item.colour;
    const wrong = item.error && !item.missed ? make('span', { className: 'wrong' }, item.error) : null;
    const chip = make('button', { type: 'button', className: 'chip', tabIndex: -1, dataset: { key: item.key },
      'aria-label': `${titleOf(item)}${item.error ? `, ${item.error}` : ''}; open` },
      dot, make('span', { className: 'words' }, item.name), make('span', { className: 'number' }, scoreOf(item)), wrong);
    chip.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && this.point(item));
    chip.addEventListener('focus', () => {
      this.rove(item);
      this.point(item);
    });
    chip.addEventListener('blur', () => this.point(null));
    chip.addEventListener('click', () => openView(this.picture, item));
    this.chips.set(item.key, chip);
    this.list.append(make('li', {}, chip));
  }

  // One stop of the Tab key a card.
  rove(item) {
    for (const [key, chip] of this.chips) chip.tabIndex = item && key === item.key ? 0 : -1;
  }

  focused() {
    const key = document.activeElement?.dataset?.key;
    return this.list.contains(document.activeElement) ? this.items.find((item) => item.key === key) || null : null;
  }

  at(event) {
    const mark = event.target.closest('.mark');
    return mark ? this.items.find((item) => item.key === mark.dataset.key) || null : null;
  }

  tapped(event) {
    if (event.button > 0) return;
    const item = this.at(event);
    // A finger points first and opens at the second tap; a mouse has pointed already.
    if (event.pointerType !== 'mouse' && this.pointed !== item) this.point(item);
    else if (item) openView(this.picture, item);
  }

  point(item) {
    if (this.pointed === item) return;
    this.pointed = item;
    this.refresh();
  }

  filter(keeps) {
    this.items = this.picture.items.filter(keeps);
    const all = this.picture.items.length, some = this.items.length;
    this.number.textContent = some === all ? plural(all, nounOf(this.picture)) : `${some} of ${plural(all, nounOf(this.picture))}`;
    if (this.chips.size) this.sift();
    this.pointed = this.focused();
    this.refresh();
  }

  // Chips and outlines of the items that the filters let through.
  sift() {
    const kept = new Set(this.items);
    for (const item of this.picture.items) this.chips.get(item.key).parentElement.hidden = !kept.has(item);
    this.rove(this.items[0]);
    this.marks?.remove();
    this.marks = marksOf(this.picture, this.items, whole(this.picture), true);
    this.stage.append(this.marks, this.tag);
  }

  refresh() {
    const { pointed, picture } = this;
    this.stage.classList.toggle('no-marks', !look.marks);
    this.marks?.classList.toggle('pointed', Boolean(pointed));
    for (const mark of this.marks?.children || []) mark.classList.toggle('on', pointed?.key === mark.dataset.key);
    for (const [key, chip] of this.chips) chip.classList.toggle('on', pointed?.key === key);
    this.tell();
    if (!this.awake) return;
    placeTag(this.tag, picture, pointed);
    const shown = pointed ? [pointed] : nounOf(picture) === 'box' ? this.items : this.items.slice(0, 1);
    const [width, height] = sizeFor(this.stage, whole(picture));
    const maps = shown.map(mapOf).filter(Boolean);
    paint(this.canvas, picture, maps, look.evidence, whole(picture), width, height, pointed ? pointed.key : 'all');
  }

  tell() {
    const { pointed, picture } = this;
    this.told.replaceChildren();
    if (!pointed) {
      const idle = this.items.length > 1 && this.items[0].box ? 'all maps together; point at a box for its own' : '';
      this.told.append(picture.items.length ? idle : picture.notes?.[0] || 'Nothing was found.');
      if (this.items.length && !this.items[0].box) this.tellOf(this.items[0]);
      return;
    }
    this.tellOf(pointed);
  }

  tellOf(item) {
    const blank = mapOf(item)?.blank;
    const words = [item.box ? '' : make('b', {}, `${titleOf(item)} · `), wordsOf(item)];
    this.told.append(...words, blank ? make('span', { className: 'blank' }, ` · no map: ${blank}`) : '');
    this.told.title = this.told.textContent;
  }

  // Near the window: decode picture and maps. Far from it: let go of them.
  wake() {
    if (this.awake) return;
    this.awake = true;
    this.fill();
    imageOf(this.picture.picture).then((image) => {
      if (this.awake) this.photo.src = image.src;
      if (!performance.getEntriesByName('first picture').length) performance.mark('first picture');
    });
    this.refresh();
  }

  sleep() {
    if (!this.awake) return;
    this.awake = false;
    this.canvas.request = (this.canvas.request || 0) + 1;
    this.canvas.width = this.canvas.height = 0;
    delete this.canvas.dataset.shown;
    this.photo.removeAttribute('src');
  }
}

const watcher = new IntersectionObserver((seen) => {
  for (const each of seen) {
    const card = each.target.card;
    if (each.isIntersecting) card.wake();
    else card.sleep();
  }
}, { rootMargin: '700px 0px' });

let queued = 0;
function refreshAll() {
  if (queued) return;
  queued = requestAnimationFrame(() => {
    queued = 0;
    for (const card of cards) if (card.awake) card.refresh();
    refreshView();
  });
}
