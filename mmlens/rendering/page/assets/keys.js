// The keyboard.
const visibleCards = () => cards.filter((card) => !card.element.hidden && card.items.length).sort((one, other) => one.place - other.place);

function focusChip(card, item) {
  if (!card || !item) return;
  const chip = card.chipOf(item);
  chip.focus();
  card.element.scrollIntoView({ block: 'nearest' });
}

function moveBy(card, item, key) {
  const shown = visibleCards();
  const at = shown.indexOf(card), n = card.items.indexOf(item);
  if (key === 'ArrowRight') return n + 1 < card.items.length ? focusChip(card, card.items[n + 1]) : focusChip(shown[at + 1], shown[at + 1]?.items[0]);
  if (key === 'ArrowLeft') return n > 0 ? focusChip(card, card.items[n - 1]) : focusChip(shown[at - 1], shown[at - 1]?.items.at(-1));
  const next = shown[at + (key === 'ArrowDown' ? 1 : -1)];
  return focusChip(next, next?.items[0]);
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'a' && form.elements.evidence && !event.target.matches?.('input[type=search], input[type=number], select')) {
    const control = form.elements.evidence;
    control.selectedIndex = (control.selectedIndex + 1) % control.options.length;
    control.dispatchEvent(new Event('change'));
    return;
  }
  const typing = event.target.matches?.('input:not([type=checkbox]), select, textarea');
  if (dialog.open) {
    const does = { ArrowRight: () => step(1), ArrowLeft: () => step(-1), z: toggleNear, s: savePicture }[event.key];
    if (does && !typing) {
      event.preventDefault();
      does();
    }
    return;
  }
  if (event.key === '/' && !typing && form.elements.search) {
    event.preventDefault();
    document.getElementById('side').open = true;
    form.elements.search.focus();
    return;
  }
  if (!event.key.startsWith('Arrow') || typing) return;
  const element = event.target.closest?.('.card');
  const card = element?.card;
  const item = card?.focused();
  if (!item) return;
  event.preventDefault();
  moveBy(card, item, event.key);
});
