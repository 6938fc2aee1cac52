/** One colour per name: known channels always have the same colour, and other names get the next free one. */

const SLOTS = 8;
const KNOWN_NAMES = [
  "twitter",
  "whatsapp",
  "facebook",
  "linkedin",
  "native",
  "copy",
  "newsletter",
  "email",
  "link",
  "declared",
  "posted",
  "anonymous",
  "adjusted",
];

export const OTHER = "var(--series-other)";

/** Colours for these names; `other` and `none` are grey. */
export function colours(names: readonly string[]): Map<string, string> {
  const taken = new Set<number>();
  const found = new Map<string, string>();
  for (const name of [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))) {
    found.set(name, name === "other" || name === "none" ? OTHER : `var(--series-${freeSlot(preferredSlot(name), taken) + 1})`);
  }
  return found;
}

const rank = (name: string): number => (KNOWN_NAMES.includes(name) ? KNOWN_NAMES.indexOf(name) : KNOWN_NAMES.length);

function preferredSlot(name: string): number {
  const known = KNOWN_NAMES.indexOf(name);
  if (known >= 0) return known % SLOTS;
  return [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7) % SLOTS;
}

function freeSlot(slot: number, taken: Set<number>): number {
  let found = slot;
  for (let tried = 0; taken.has(found) && tried < SLOTS; tried += 1) found = (found + 1) % SLOTS;
  taken.add(found);
  return found;
}

/** The value of `var(--…)` at this element, because a canvas cannot resolve it. */
export function resolveColour(element: Element, colour: string): string {
  const name = /^var\((--[\w-]+)\)$/.exec(colour)?.[1];
  if (!name) return colour;
  const probe = document.createElement("i");
  probe.style.color = colour;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
