// Boxes over a picture.
const short = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));
const scoreOf = (item) => (item.missed ? 'missed' : item.score === undefined ? '' : item.score.toFixed(2));
const titleOf = (item) => [item.name, scoreOf(item)].filter(Boolean).join(' ');
const areaOf = (item) => (item.box ? (item.box[2] - item.box[0]) * (item.box[3] - item.box[1]) : 0);

function rectOf(box, attributes) {
  return draw('rect', {
    x: box[0], y: box[1], width: Math.max(box[2] - box[0], 0), height: Math.max(box[3] - box[1], 0), ...attributes,
  });
}

function markOf(item, hit) {
  const group = draw('g', { class: hit ? 'mark' : 'mark on', 'data-key': item.key });
  const dashed = item.missed ? ' dashed' : '';
  if (item.candidate) group.append(rectOf(item.candidate, { class: 'edge line dashed beside', stroke: item.colour }));
  group.append(rectOf(item.box, { class: `edge halo${dashed}` }));
  group.append(rectOf(item.box, { class: `edge line${dashed}`, stroke: item.colour }));
  if (item.truth) group.append(rectOf(item.truth, { class: 'edge line dashed beside', stroke: '#3ddc84' }));
  if (hit) group.append(rectOf(item.box, { class: 'hit' }));
  return group;
}

// The smaller a box, the nearer to the eye: it can be pointed at within a larger one.
function marksOf(picture, items, part, hit) {
  const marks = draw('svg', {
    class: 'marks', viewBox: part.join(' '), preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false',
  });
  const boxed = items.filter((item) => item.box).sort((one, other) => areaOf(other) - areaOf(one));
  for (const item of boxed) marks.append(markOf(item, hit));
  return marks;
}

function tagOf(item) {
  const tag = make('div', { className: 'tag', hidden: true });
  tag.style.background = item ? item.colour : '';
  return tag;
}

// A label at a box, where the picture has room for it.
function placeTag(tag, picture, item) {
  tag.hidden = !item || !item.box;
  if (tag.hidden) return;
  tag.textContent = titleOf(item);
  tag.style.background = item.colour;
  tag.style.color = item.ink;
  const [x1, y1, x2, y2] = item.box;
  const left = x1 < picture.w * 0.7;
  tag.style.left = left ? `${(100 * Math.max(x1, 0)) / picture.w}%` : 'auto';
  tag.style.right = left ? 'auto' : `${100 * Math.max(1 - x2 / picture.w, 0)}%`;
  const height = 24 / Math.max(tag.parentElement.clientHeight, 1);
  const above = y1 / picture.h - height, below = y2 / picture.h;
  const top = above >= 0 ? above : below + height <= 1 ? below : Math.max(y1 / picture.h, 0);
  tag.style.top = `${100 * top}%`;
}

const sizeWords = (item) =>
  item.box ? `${Math.round(item.box[2] - item.box[0])} × ${Math.round(item.box[3] - item.box[1])} px` : '';

function againstWords(item, map) {
  if (!map) return '';
  if (map.against) return `not ${map.against}`;
  return map.counter === undefined ? '' : { for: 'press A for what speaks against it', against: 'here: what speaks against it', both: 'for and against' }[look.evidence];
}

// All about an item in a line.
function wordsOf(item) {
  const map = mapOf(item) || item.maps[0];
  const words = [];
  if (item.told) words.push(item.told);
  if (map) words.push(map.title && !item.told ? map.title : `explains its ${methods[map.method].target}`);
  if (sizeWords(item)) words.push(sizeWords(item));
  if (againstWords(item, map)) words.push(againstWords(item, map));
  if (item.error) words.push(item.error);
  return words.join(' · ');
}
