// Values of maps become colours: opacity, colour map, threshold, and what 1 stands for.
const methods = index.methods;
const methodKeys = Object.keys(methods);
const pictures = index.pictures;
const tables = Object.fromEntries(
  Object.entries(index.tables).map(([name, text]) => [name, Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]),
);
const firstLook = methodKeys.length ? methods[methodKeys[0]] : { colormap: Object.keys(tables)[0], alpha: 0.5, rooted: false };
const look = {
  method: methodKeys[0] || '',
  evidence: 'for',
  colormap: firstLook.colormap,
  opacity: firstLook.alpha,
  threshold: 0,
  scale: 'own',
  marks: true,
};

// The largest raw values, by method: of the report, and of each picture.
const peaks = {};
for (const picture of pictures) {
  picture.peaks = {};
  for (const item of picture.items)
    for (const map of item.maps) {
      picture.peaks[map.method] = Math.max(picture.peaks[map.method] || 0, map.peak);
      peaks[map.method] = Math.max(peaks[map.method] || 0, map.peak);
    }
}

// Grey steps of a map -> values in [0, 1] as they are shown, before the root.
function valuesOfSteps(map, picture, own) {
  const steps = new Float32Array(256);
  const top = look.scale === 'all' ? peaks[map.method] : picture.peaks[map.method];
  for (let step = 0; step < 256; step++) {
    let value = map.rooted ? (step / 255) ** 4 : step / 255;
    if (look.scale !== 'own' && !own && top > 0 && step) value = (map.low + value * (map.peak - map.low)) / top;
    steps[step] = value >= look.threshold ? Math.min(Math.max(value, 0), 1) : 0;
  }
  return steps;
}

const scratch = make('canvas');
const pen = scratch.getContext('2d', { willReadFrequently: true });

// The grey steps of a map, resized: between cells' centres values are interpolated.
async function greyOf(number, picture, part, width, height) {
  const image = await imageOf(number);
  if (scratch.width < width) scratch.width = width;
  if (scratch.height < height) scratch.height = height;
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = 'medium';
  const across = image.naturalWidth / picture.w, down = image.naturalHeight / picture.h;
  pen.drawImage(image, part[0] * across, part[1] * down, part[2] * across, part[3] * down, 0, 0, width, height);
  return pen.getImageData(0, 0, width, height).data;
}

// What is shown of one map: values of shape (height * width), below 0 where something speaks against it.
async function fieldOf(map, picture, evidence, part, width, height) {
  const field = new Float32Array(width * height);
  const rooted = map.rooted ? (value) => value ** 0.25 : (value) => value;
  const signed = evidence === 'both' && map.counter !== undefined;
  if (evidence !== 'against') {
    const steps = valuesOfSteps(map, picture, signed);
    const shown = signed ? steps : steps.map(rooted);
    const grey = await greyOf(map.data, picture, part, width, height);
    for (let n = 0; n < field.length; n++) field[n] = shown[grey[4 * n]];
  }
  if (evidence !== 'for' && map.counter !== undefined) {
    const steps = valuesOfSteps(map, picture, true);
    const grey = await greyOf(map.counter, picture, part, width, height);
    if (signed) {
      for (let n = 0; n < field.length; n++) {
        const value = field[n] - steps[grey[4 * n]];
        field[n] = Math.sign(value) * rooted(Math.abs(value));
      }
    } else {
      const shown = steps.map(rooted);
      for (let n = 0; n < field.length; n++) field[n] = shown[grey[4 * n]];
    }
  }
  return field;
}

// Colours and opacity of a field, as in mmlens' own drawings: opacity rises as a sine.
function coloured(field, width, height, signed) {
  const pixels = new ImageData(width, height);
  const table = tables[signed ? index.signed : look.colormap];
  const colours = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(colours.buffer);
  for (let step = 0; step < 256; step++) {
    const strength = signed ? Math.abs(step - 127.5) / 127.5 : step / 255;
    bytes.set(table.subarray(3 * step, 3 * step + 3), 4 * step);
    bytes[4 * step + 3] = 255 * look.opacity * Math.sin((strength * Math.PI) / 2);
  }
  const out = new Uint32Array(pixels.data.buffer);
  for (let n = 0; n < field.length; n++) {
    const value = field[n];
    if (value) out[n] = colours[Math.round(signed ? (value + 1) * 127.5 : value * 255)];
  }
  return pixels;
}

// Paint maps of one picture: at each pixel the value that is furthest from 0. The newest request wins.
async function paint(canvas, picture, maps, evidence, part, width, height, name) {
  const request = (canvas.request = (canvas.request || 0) + 1);
  const signed = evidence === 'both' && maps.some((map) => map.counter !== undefined);
  let strongest = null;
  for (const map of maps) {
    const field = await fieldOf(map, picture, evidence, part, width, height);
    if (canvas.request !== request) return false;
    if (!strongest) strongest = field;
    else for (let n = 0; n < field.length; n++) if (Math.abs(field[n]) > Math.abs(strongest[n])) strongest[n] = field[n];
  }
  canvas.width = width;
  canvas.height = height;
  if (strongest) canvas.getContext('2d').putImageData(coloured(strongest, width, height, signed), 0, 0);
  canvas.dataset.shown = name;
  return true;
}

const mapOf = (item) => item.maps.find((map) => map.method === look.method);
const whole = (picture) => [0, 0, picture.w, picture.h];

// As many pixels as are seen, within reason.
function sizeFor(element, part, most = 900) {
  const seen = Math.min((element.clientWidth || 400) * Math.min(window.devicePixelRatio || 1, 2), most);
  const width = Math.max(Math.round(seen), 1);
  return [width, Math.max(Math.round((width * part[3]) / part[2]), 1)];
}

function fillBar(bar, signed, rooted, ends = ['against', 'for']) {
  paintBar(bar.firstChild, signed);
  const words = signed ? [ends[0], '0', ends[1]] : ['0', rooted ? '0.0625' : '0.5', '1'];
  bar.lastChild.replaceChildren(...words.map((text) => make('span', {}, text)));
}

function paintBar(canvas, signed) {
  const table = tables[signed ? index.signed : look.colormap];
  canvas.width = 256;
  canvas.height = 1;
  const pixels = new ImageData(256, 1);
  for (let n = 0; n < 256; n++) pixels.data.set([...table.subarray(3 * n, 3 * n + 3), 255], 4 * n);
  canvas.getContext('2d').putImageData(pixels, 0, 0);
}
