// One box: all its maps, side by side, with what is known of it.
const dialog = document.getElementById('view');
const view = { picture: null, item: null, near: null, panels: [], from: null };

// Close up where somebody asked for it, and else where the box is small.
function isNear(picture, item) {
  if (view.near !== null || !item.box) return Boolean(view.near);
  return item.box[2] - item.box[0] < 0.15 * picture.w && item.box[3] - item.box[1] < 0.15 * picture.h;
}

const ICONS = {
  previous: 'M10 3 5 8l5 5', next: 'm6 3 5 5-5 5', close: 'm4 4 8 8M12 4l-8 8',
  near: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.5 10.5 14 14M7 5v4M5 7h4',
  save: 'M8 2v8m0 0L4.8 6.8M8 10l3.2-3.2M3 13.5h10', link: 'M6.7 9.3a2.6 2.6 0 0 0 3.7 0l2.4-2.4a2.6 2.6 0 0 0-3.7-3.7l-1 1M9.3 6.7a2.6 2.6 0 0 0-3.7 0L3.200 9.1a2.6 2.6 0 0 0 3.7 3.7l1-1',
};

function act(icon, words, does, hint) {
  const button = make('button', { type: 'button', className: 'act', title: hint || words, 'aria-label': hint || words },
    draw('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, draw('path', { d: ICONS[icon] })));
  if (icon !== 'previous' && icon !== 'next' && icon !== 'close') button.append(make('span', { className: 'words' }, words));
  button.addEventListener('click', does);
  return button;
}

// The boxes that the filters let through, in the order of the page.
const listed = () => cards.filter((card) => !card.element.hidden).sort((one, other) => one.place - other.place)
  .flatMap((card) => card.items.map((item) => [card.picture, item]));

// The part of the picture that is seen: all, or the surroundings of the box, in the picture's shape.
function partOf(picture, item) {
  if (!item.box || !isNear(picture, item)) return whole(picture);
  const [x1, y1, x2, y2] = item.box;
  const scale = Math.min(1, Math.max((1.6 * (x2 - x1)) / picture.w, (1.6 * (y2 - y1)) / picture.h, 24 / picture.w));
  const width = picture.w * scale, height = picture.h * scale;
  const left = Math.min(Math.max((x1 + x2 - width) / 2, 0), picture.w - width);
  const top = Math.min(Math.max((y1 + y2 - height) / 2, 0), picture.h - height);
  return [left, top, width, height];
}

function openView(picture, item) {
  const card = cards.find((each) => each.picture === picture);
  view.from = card?.chipOf(item) || document.activeElement;
  view.picture = picture;
  view.item = item;
  fillView();
  if (!dialog.open) dialog.showModal();
  dialog.querySelector('.view-maps').focus({ preventScroll: true });
  remember(addressOf(picture, item));
  refreshView();
}

function remember(address) {
  if (index.widget) return;
  history.replaceState(null, '', address || location.pathname + location.search);
}

function step(by) {
  const all = listed();
  const at = all.findIndex(([picture, item]) => picture === view.picture && item === view.item);
  const next = all[at + by];
  if (at >= 0 && next) openView(...next);
}

function fillView() {
  const { picture, item } = view;
  const all = listed();
  const at = all.findIndex((each) => each[0] === picture && each[1] === item);
  const dot = make('span', { className: 'dot', 'aria-hidden': 'true' });
  dot.style.background = item.colour;
  const back = act('previous', 'Previous box', () => step(-1), 'Previous box (←)');
  const forth = act('next', 'Next box', () => step(1), 'Next box (→)');
  back.disabled = at <= 0;
  forth.disabled = at < 0 || at >= all.length - 1;
  const words = isNear(picture, item) ? 'Whole picture' : 'Close up';
  const near = act('near', words, toggleNear, `${words} (Z)`);
  near.hidden = !item.box;
  const top = make('div', { className: 'view-top' }, back, forth,
    make('h2', { id: 'view-title' }, dot, make('span', {}, titleOf(item))),
    make('span', { className: 'where' }, `${picture.name} · ${at + 1} of ${all.length}`),
    near, act('save', 'Save', savePicture, 'Save the maps as a picture (S)'), act('close', 'Close', () => dialog.close(), 'Close (Esc)'));
  view.panels = panelsOf(picture, item);
  const maps = make('div', { className: `view-maps${view.panels.length === 1 ? ' single' : ''}`, tabIndex: -1 }, ...view.panels.map((panel) => panel.figure));
  dialog.replaceChildren(top, make('div', { className: 'view-body' }, maps, sideOf(picture, item)));
}

function toggleNear() {
  view.near = !isNear(view.picture, view.item);
  fillView();
  refreshView();
}

// A panel for each map and, where it is known, for what speaks against it.
function panelsOf(picture, item) {
  const panels = [];
  for (const map of item.maps) {
    const told = methods[map.method];
    const title = map.title || (item.maps.length > 1 || map.counter === undefined ? told.name : `what speaks for ${item.name}`);
    panels.push(panelOf(picture, item, map, 'for', title, [map.title && !told.side ? told.name : '', told.detail].filter(Boolean).join(' · ')));
    if (map.counter !== undefined) panels.push(panelOf(picture, item, map, 'against', map.counterTitle, item.maps.length > 1 ? map.title || told.name : told.detail));
  }
  if (item.maps.length === 2 && item.maps.every((map) => methods[map.method].side)) panels.push(differenceOf(picture, item));
  if (!panels.length) panels.push(panelOf(picture, item, null, 'for', 'the picture', 'no map was made'));
  return panels;
}

function panelOf(picture, item, map, evidence, title, detail) {
  const part = partOf(picture, item);
  const photo = make('canvas', { role: 'img', 'aria-label': `${title}: ${item.name} in ${picture.name}` });
  const canvas = make('canvas', { 'aria-hidden': 'true' });
  const stage = make('div', { className: 'stage' }, photo, canvas, marksOf(picture, [item], part, false));
  stage.style.aspectRatio = `${picture.w} / ${picture.h}`;
  const words = make('div', {}, title, make('small', {}, detail));
  if (map?.blank && evidence === 'for') words.append(make('small', { className: 'blank' }, `no map: ${map.blank}`));
  if (map?.counterBlank && evidence === 'against') words.append(make('small', { className: 'blank' }, map.counterBlank));
  const bar = map ? make('div', { className: 'bar' }, make('canvas', { 'aria-hidden': 'true' }), make('div')) : null;
  const figure = make('figure', {}, stage, make('figcaption', {}, words, bar));
  return { map, evidence, photo, canvas, stage, figure, part, title, bar };
}

// What the second side of a comparison shows minus what the first one does.
function differenceOf(picture, item) {
  const [one, other] = item.maps;
  const names = [one, other].map((map) => methods[map.method].name);
  const panel = panelOf(picture, item, one, 'difference', `${names[1]} minus ${names[0]}`, 'red: more; blue: less');
  panel.other = other;
  return panel;
}

async function paintPanel(panel) {
  const { picture, item } = view;
  const [width, height] = sizeFor(panel.stage, panel.part, 1400);
  const image = await imageOf(picture.picture);
  panel.photo.width = width;
  panel.photo.height = height;
  const across = image.naturalWidth / picture.w, down = image.naturalHeight / picture.h;
  const [x, y, w, h] = panel.part;
  const pen = panel.photo.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(image, x * across, y * down, w * across, h * down, 0, 0, width, height);
  if (!panel.map) return;
  const evidence = panel.evidence === 'for' && look.evidence === 'both' && panel.map.counter !== undefined ? 'both' : panel.evidence;
  const signed = evidence === 'both' || evidence === 'difference';
  fillBar(panel.bar, signed, panel.map.rooted, evidence === 'difference' ? ['less', 'more'] : undefined);
  if (evidence !== 'difference') {
    await paint(panel.canvas, picture, [panel.map], evidence, panel.part, width, height, `${item.key} ${panel.evidence}`);
    return;
  }
  const fields = [];
  for (const map of [panel.map, panel.other]) fields.push(await fieldOf(map, picture, 'for', panel.part, width, height));
  panel.canvas.width = width;
  panel.canvas.height = height;
  const change = fields[1].map((value, n) => value - fields[0][n]);
  panel.canvas.getContext('2d').putImageData(coloured(change, width, height, true), 0, 0);
  panel.canvas.dataset.shown = `${item.key} difference`;
}

function refreshView() {
  if (dialog.open) for (const panel of view.panels) paintPanel(panel);
}

function sideOf(picture, item) {
  const map = mapOf(item) || item.maps[0];
  const facts = [['class', item.name], ['score', item.missed ? '' : scoreOf(item)]];
  if (map) facts.push(['explained', methods[map.method].target]);
  if (map?.against) facts.push(['not', map.against]);
  if (item.index >= 0) facts.push(['rank', item.index]);
  if (item.box) facts.push(['box', item.box.map(Math.round).join(', ')], ['size', sizeWords(item)]);
  if (item.overlap !== undefined) facts.push(['candidate', `rank ${item.rank}, IoU ${item.overlap.toFixed(2)}`]);
  if (item.error !== undefined) facts.push(['error', item.error || 'none']);
  for (const [name, value] of Object.entries(item.figures || {})) facts.push([name, short(value)]);
  const list = make('dl', { className: 'facts' });
  for (const [name, value] of facts) if (value !== '') list.append(make('dt', {}, name), make('dd', {}, String(value)));
  const side = make('aside', { className: 'view-side', 'aria-label': 'What is known' }, list);
  for (const text of [item.told, ...(item.sentences || [])]) if (text) side.append(make('p', { className: 'sentence' }, text));
  if (item.truth) side.append(make('p', { className: 'sentence' }, `Dashed: the annotated ${item.truthName || 'object'}.`));
  if (item.candidate) side.append(make('p', { className: 'sentence' }, 'Dashed: what its candidate decodes to.'));
  side.append(...[figureTable(item), curveKeys(item), curveOf(item, 'deletion'), curveOf(item, 'insertion')].filter(Boolean));
  if (picture.notes?.length) side.append(make('section', {}, make('h3', {}, 'Notes'), ...picture.notes.map((note) => make('p', { className: 'sentence' }, note))));
  return side;
}

// What is seen as one picture: panels in a row or two, each with its words.
async function savePicture() {
  await Promise.all(view.panels.map(paintPanel));
  const { picture, item } = view;
  const panels = view.panels, columns = panels.length > 3 ? 2 : panels.length;
  const width = panels[0].photo.width, height = panels[0].photo.height, gap = 16, line = 44;
  const sheet = make('canvas', { width: columns * (width + gap) + gap, height: Math.ceil(panels.length / columns) * (height + line) + gap + line });
  const pen = sheet.getContext('2d');
  pen.fillStyle = '#ffffff';
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.fillStyle = '#1f2328';
  pen.font = '600 20px system-ui, sans-serif';
  pen.fillText(`${titleOf(item)} · ${picture.name}`, gap, 30);
  pen.font = '16px system-ui, sans-serif';
  panels.forEach((panel, n) => {
    const x = gap + (n % columns) * (width + gap), y = line + Math.floor(n / columns) * (height + line);
    pen.drawImage(panel.photo, x, y, width, height);
    if (panel.canvas.width > 1 && panel.map) pen.drawImage(panel.canvas, x, y, width, height);
    outline(pen, panel, item, x, y, width, height);
    pen.fillText(panel.title, x, y + height + 24, width);
  });
  const name = `${picture.name}_${item.name}_${item.key}`.replace(/[^\p{L}\p{N}._-]+/gu, '_');
  sheet.toBlob((data) => {
    const address = URL.createObjectURL(data);
    make('a', { href: address, download: `${name}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
}

function outline(pen, panel, item, x, y, width, height) {
  if (!item.box) return;
  const [left, top, w, h] = panel.part;
  const [x1, y1, x2, y2] = item.box;
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  for (const [colour, thick] of [['rgb(0 0 0 / 55%)', 5], [item.colour, 2.5]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.strokeRect(x + ((x1 - left) / w) * width, y + ((y1 - top) / h) * height, ((x2 - x1) / w) * width, ((y2 - y1) / h) * height);
  }
  pen.restore();
}

dialog.addEventListener('close', () => {
  remember('');
  view.from?.focus({ preventScroll: true });
});
dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
