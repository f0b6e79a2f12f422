// What the page carries: an index, read at once, and bytes that are decoded when they are looked at.
const index = JSON.parse(document.getElementById('index').textContent);
const decoded = new Map(); // number of bytes -> promise of a picture; the oldest go first
const MOST_DECODED = 400;
// Elements within <svg> share its name space, which is an address that nobody visits.
const SVG = document.querySelector('svg').namespaceURI;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function bytesOf(number) {
  for (;;) {
    const place = document.getElementById(`b${number}`);
    // A place at the end of what has arrived so far may be cut off.
    if (place && (place.nextSibling || document.readyState !== 'loading')) return place.textContent;
    if (document.readyState !== 'loading') throw new Error(`bytes ${number} are missing`);
    await pause(12);
  }
}

function imageOf(number) {
  let found = decoded.get(number);
  if (found) decoded.delete(number);
  else {
    found = bytesOf(number).then(async (text) => {
      const image = new Image();
      image.src = `data:image/webp;base64,${text}`;
      await image.decode();
      return image;
    });
  }
  decoded.set(number, found);
  if (decoded.size > MOST_DECODED) decoded.delete(decoded.keys().next().value);
  return found;
}

function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key === 'dataset') Object.assign(element.dataset, value);
    else if (key.includes('-') || key === 'role' || key === 'for') element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
