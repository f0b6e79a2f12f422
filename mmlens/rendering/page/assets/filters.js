// Which boxes are shown, in which order, and how.
const form = document.getElementById('filters');
const everything = pictures.flatMap((picture) => picture.items);
const choice = { search: '', classes: new Set(), sizes: new Set(), errors: new Set(), low: 0, high: 1, metric: '', from: '', to: '', order: 'given' };

function countBy(keyOf) {
  const found = new Map();
  for (const item of everything) {
    const key = keyOf(item);
    if (key !== undefined) found.set(key, (found.get(key) || 0) + 1);
  }
  return found;
}

const figureOf = (item, name) => item.figures?.[name] ?? mapOf(item)?.figures?.[name];
const figureNames = [...new Set(everything.flatMap((item) => [...Object.keys(item.figures || {}), ...item.maps.flatMap((map) => Object.keys(map.figures || {}))]))];
const errorOf = (item) => (item.error === undefined ? undefined : item.error || 'right');

function keeps(item, picture) {
  if (choice.classes.size && !choice.classes.has(item.name)) return false;
  if (choice.sizes.size && !choice.sizes.has(item.size)) return false;
  if (choice.errors.size && !choice.errors.has(errorOf(item))) return false;
  if (!item.missed && item.score !== undefined && (item.score < choice.low || item.score > choice.high)) return false;
  if (choice.metric && (choice.from !== '' || choice.to !== '')) {
    const value = figureOf(item, choice.metric);
    if (value === undefined || (choice.from !== '' && value < Number(choice.from)) || (choice.to !== '' && value > Number(choice.to))) return false;
  }
  if (!choice.search) return true;
  const text = [picture.name, item.name, item.error, item.told, ...(item.sentences || [])].join('\n').toLowerCase();
  return choice.search.split(/\s+/).every((word) => text.includes(word));
}

const filtering = () => Boolean(choice.search || choice.classes.size || choice.sizes.size || choice.errors.size || choice.low > 0 || choice.high < 1 || choice.from !== '' || choice.to !== '');

const best = (card, valueOf, least) => {
  const values = card.items.map(valueOf).filter((value) => value !== undefined);
  return values.length ? (least ? Math.min(...values) : -Math.max(...values)) : Infinity;
};
const ORDERS = {
  given: ['as given', () => 0],
  name: ['name', null],
  most: ['most boxes', (card) => -card.items.length],
  high: ['highest score', (card) => best(card, (item) => item.score)],
  low: ['lowest score', (card) => best(card, (item) => item.score, true)],
  metricHigh: ['highest figure', (card) => best(card, (item) => figureOf(item, choice.metric))],
  metricLow: ['lowest figure', (card) => best(card, (item) => figureOf(item, choice.metric), true)],
};

function applyFilters() {
  let boxes = 0, shown = 0;
  for (const card of cards) {
    card.filter((item) => keeps(item, card.picture));
    const named = choice.search && !card.picture.items.length && card.picture.name.toLowerCase().includes(choice.search);
    card.element.hidden = filtering() && !card.items.length && !named;
    boxes += card.items.length;
    shown += card.element.hidden ? 0 : 1;
  }
  applyOrder();
  document.getElementById('nothing').hidden = shown > 0;
  const count = document.getElementById('count');
  if (!count) return;
  const noun = cards.length && cards.every((card) => nounOf(card.picture) === 'class') ? 'class' : 'box';
  count.textContent = filtering()
    ? `${boxes.toLocaleString('en')} of ${plural(everything.length, noun)} in ${shown.toLocaleString('en')} of ${plural(cards.length, 'picture')}`
    : `${plural(everything.length, noun)} in ${plural(cards.length, 'picture')}`;
}

function applyOrder() {
  const [, keyOf] = ORDERS[choice.order];
  const compare = keyOf
    ? (one, other) => keyOf(one) - keyOf(other) || one.order - other.order
    : (one, other) => one.picture.name.localeCompare(other.picture.name, 'en', { numeric: true }) || one.order - other.order;
  const sorted = [...cards].sort((one, other) => {
    const order = compare(one, other);
    return Number.isNaN(order) ? one.order - other.order : order; // Infinity - Infinity
  });
  sorted.forEach((card, place) => (card.place = place));
  const main = document.getElementById('pictures');
  if (sorted.some((card, place) => main.children[place] !== card.element)) main.append(...sorted.map((card) => card.element));
}

// ---- the form

const row = (words, control, output) => make('label', { className: 'row' }, make('span', { className: 'label' }, words, output || null), control);

function select(words, name, options, value, changed) {
  const control = make('select', { name }, ...options.map(([key, text]) => make('option', { value: key, selected: key === value }, text)));
  control.addEventListener('change', () => changed(control.value));
  return row(words, control);
}

function slider(words, name, value, changed, format = (v) => v.toFixed(2)) {
  const output = make('output', {}, format(value));
  // The output within the label would be what it labels.
  const control = make('input', { type: 'range', name, min: 0, max: 1, step: 0.01, value, 'aria-label': words });
  control.addEventListener('input', () => {
    output.textContent = format(Number(control.value));
    changed(Number(control.value));
  });
  control.told = () => (output.textContent = format(Number(control.value)));
  return row(words, control, output);
}

function ticks(words, name, counts, chosen, colourOf, flat) {
  const rows = [...counts].map(([key, number]) => {
    const tick = make('input', { type: 'checkbox', name, value: key });
    tick.addEventListener('change', () => {
      if (tick.checked) chosen.add(key);
      else chosen.delete(key);
      applyFilters();
    });
    const dot = colourOf ? make('span', { className: 'dot', 'aria-hidden': 'true' }) : null;
    if (dot) dot.style.background = colourOf(key);
    return make('label', {}, tick, dot, make('span', { className: 'words', title: key }, key), make('span', { className: 'number' }, number.toLocaleString('en')));
  });
  return make('fieldset', {}, make('legend', {}, words), make('div', { className: flat ? 'ticks flat' : 'ticks' }, ...rows));
}

function filterForm() {
  const search = make('input', { type: 'search', name: 'search', placeholder: 'picture, class, error', autocomplete: 'off' });
  search.addEventListener('input', () => {
    choice.search = search.value.trim().toLowerCase();
    applyFilters();
  });
  const parts = [make('h2', {}, 'Find'), row('search', search)];
  const classes = new Map([...countBy((item) => item.name)].sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0])));
  const colours = new Map(everything.map((item) => [item.name, item.colour]));
  if (classes.size > 1) parts.push(ticks('class', 'class', classes, choice.classes, (name) => colours.get(name)));
  const errors = countBy(errorOf);
  if (errors.size) parts.push(ticks('error', 'error', errors, choice.errors));
  const sizes = countBy((item) => item.size);
  const ordered = new Map(['small', 'medium', 'large'].filter((size) => sizes.has(size)).map((size) => [size, sizes.get(size)]));
  if (ordered.size > 1) parts.push(ticks('size', 'size', ordered, choice.sizes, null, true));
  parts.push(make('div', { className: 'pair' }, slider('score from', 'low', 0, (value) => { choice.low = value; applyFilters(); }),
    slider('to', 'high', 1, (value) => { choice.high = value; applyFilters(); })));
  if (figureNames.length) parts.push(...metricForm());
  const orders = Object.entries(ORDERS).filter(([key]) => figureNames.length || !key.startsWith('metric')).map(([key, [words]]) => [key, words]);
  parts.push(select('order', 'order', orders, 'given', (value) => { choice.order = value; applyFilters(); }));
  const clear = make('button', { type: 'button', className: 'plain', id: 'clear' }, 'Clear the filters');
  clear.addEventListener('click', clearFilters);
  parts.push(clear);
  return parts;
}

function metricForm() {
  choice.metric = figureNames[0];
  const limit = (name) => {
    const control = make('input', { type: 'number', name, step: 'any', placeholder: name, 'aria-label': `figure ${name}` });
    control.addEventListener('input', () => { choice[name] = control.value; applyFilters(); });
    return control;
  };
  return [select('figure', 'metric', figureNames.map((name) => [name, name]), choice.metric, (value) => { choice.metric = value; applyFilters(); }),
    make('div', { className: 'pair' }, limit('from'), limit('to'))];
}

function lookForm() {
  const changed = (name) => (value) => { look[name] = value; paintBars(); refreshAll(); };
  const parts = index.widget ? [] : [make('h2', {}, 'Look')];
  if (methodKeys.length > 1) parts.push(select('map', 'method', methodKeys.map((key) => [key, methods[key].label || methods[key].name]), look.method, (key) => {
    look.method = key;
    if (figureNames.length) applyFilters();
    paintBars();
    refreshAll();
  }));
  if (everything.some((item) => item.maps.some((map) => map.counter !== undefined)))
    parts.push(select('evidence', 'evidence', [['for', 'what speaks for it'], ['against', 'what speaks against it'], ['both', 'both in one map']], 'for', changed('evidence')));
  parts.push(select('colours', 'colormap', Object.keys(tables).filter((name) => name !== index.signed || name === look.colormap).map((name) => [name, name]), look.colormap, changed('colormap')),
    make('div', { className: 'bar', id: 'bar' }, make('canvas', { 'aria-hidden': 'true' }), make('div')),
    make('div', { className: 'pair' }, slider('opacity', 'opacity', look.opacity, changed('opacity')),
      slider('threshold', 'threshold', 0, changed('threshold'))),
    select('1 stands for', 'scale', [['own', 'each map’s peak'], ['picture', 'the picture’s peak'], ...(index.widget ? [] : [['all', 'the peak of all']])], 'own', changed('scale')));
  const outlines = make('input', { type: 'checkbox', name: 'marks', checked: true });
  outlines.addEventListener('change', () => changed('marks')(outlines.checked));
  if (everything.some((item) => item.box)) parts.push(make('div', { className: 'ticks' }, make('label', {}, outlines, 'outlines of boxes')));
  return parts;
}

function paintBars() {
  fillBar(document.getElementById('bar'), look.evidence === 'both', methods[look.method]?.rooted);
}

function clearFilters() {
  Object.assign(choice, { search: '', low: 0, high: 1, from: '', to: '' });
  for (const chosen of [choice.classes, choice.sizes, choice.errors]) chosen.clear();
  for (const tick of form.querySelectorAll('.ticks input:not([name=marks])')) tick.checked = false;
  for (const name of ['search', 'from', 'to']) if (form.elements[name]) form.elements[name].value = '';
  for (const [name, value] of [['low', 0], ['high', 1]]) {
    form.elements[name].value = value;
    form.elements[name].told();
  }
  applyFilters();
}
