// Figures and curves of a box, where they were measured.
const WAYS = ['--one', '--two', '--three', '--four', '--five'];
const MEANINGS = {
  deletion: 'the score while the best pixels turn grey: lower is better',
  insertion: 'the score while the best pixels turn sharp: higher is better',
};

function figureTable(item) {
  const measured = item.maps.filter((map) => map.figures);
  const names = [...new Set(measured.flatMap((map) => Object.keys(map.figures)))];
  if (!names.length) return null;
  const head = make('tr', {}, make('th', { scope: 'col' }), ...measured.map((map) => make('th', { scope: 'col' }, methods[map.method].name)));
  const rows = names.map((name) => make('tr', {}, make('th', { scope: 'row' }, name),
    ...measured.map((map) => make('td', {}, map.figures[name] === undefined ? '–' : short(map.figures[name])))));
  return make('section', {}, make('h3', {}, 'Figures'), make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows)));
}

function curveOf(item, name) {
  const ways = item.maps.filter((map) => map.curves?.[name]);
  if (!ways.length) return null;
  const width = 260, height = 120, left = 26, bottom = 18;
  const top = Math.max(1, ...ways.flatMap((map) => map.curves[name]));
  const x = (share) => left + share * (width - left - 6);
  const y = (score) => 6 + (1 - score / top) * (height - bottom - 6);
  const picture = draw('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': curveWords(ways, name) });
  for (const score of [0, 0.5, 1]) {
    picture.append(draw('line', { class: 'axis', x1: left, x2: width - 6, y1: y(score), y2: y(score) }));
    const text = draw('text', { x: left - 5, y: y(score) + 3.5, 'text-anchor': 'end' });
    text.textContent = String(score);
    picture.append(text);
  }
  for (const share of [0, 0.5, 1]) {
    const text = draw('text', { x: x(share), y: height - 4, 'text-anchor': share === 0 ? 'start' : share === 1 ? 'end' : 'middle' });
    text.textContent = `${100 * share} %${share === 1 ? ' of pixels' : ''}`;
    picture.append(text);
  }
  for (const map of ways) {
    const scores = map.curves[name];
    const points = scores.map((score, n) => `${x(index.shares[n]).toFixed(1)},${y(score).toFixed(1)}`);
    const way = draw('polyline', { class: 'way', points: points.join(' ') });
    way.style.stroke = `var(${WAYS[item.maps.indexOf(map) % WAYS.length]})`;
    picture.append(way);
  }
  return make('section', { className: 'curve' }, make('h3', {}, `${name[0].toUpperCase()}${name.slice(1)}: ${MEANINGS[name] || ''}`), picture);
}

const curveWords = (ways, name) =>
  `${name}: ${ways.map((map) => `${methods[map.method].name} from ${short(map.curves[name][0])} to ${short(map.curves[name].at(-1))}`).join(', ')}`;

function curveKeys(item) {
  const ways = item.maps.filter((map) => map.curves);
  if (ways.length < 2) return null;
  return make('div', { className: 'keys' }, ...ways.map((map) => {
    const line = make('i');
    line.style.background = `var(${WAYS[item.maps.indexOf(map) % WAYS.length]})`;
    return make('span', {}, line, methods[map.method].name);
  }));
}
