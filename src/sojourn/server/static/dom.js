/** Small helpers around the DOM. Data reaches the page only as text nodes: nothing here parses markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * The element with this id; the page and its modules ship together, so it is there.
 * @param {string} id
 * @returns {any}
 */
export const $ = (id) => document.getElementById(id);

/**
 * Makes an element. Children that are no nodes become text; null is left out.
 * @param {string} tag `p`, or `p.class` for a class
 * @param {Record<string, any>} [props] properties; names with a dash are attributes
 * @param {...(Node|string|number|null)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (key.includes("-")) node.setAttribute(key, value);
    else /** @type {any} */ (node)[key] = value;
  }
  node.append(.../** @type {(Node|string)[]} */ (children.filter((child) => child !== null)));
  return node;
}

/**
 * Sets a text only where it differs, so that screen readers and selections are left in peace.
 * @param {Element} node
 * @param {string} text
 */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Draws counts as small bars, the newest at the right.
 * @param {SVGElement} svg with a view box of 120 x 30
 * @param {number[]} counts
 * @param {string} name what a screen reader says
 */
export function spark(svg, counts, name) {
  const top = Math.max(4, ...counts);
  const step = 120 / counts.length;
  svg.replaceChildren(...counts.map((count, i) => {
    const bar = document.createElementNS(SVG, "rect");
    const height = count ? Math.max(2, (28 * count) / top) : 1;
    const at = { x: i * step + 0.5, y: 30 - height, width: step - 1, height };
    for (const [key, value] of Object.entries(at)) bar.setAttribute(key, String(value));
    if (!count) bar.setAttribute("class", "none");
    return bar;
  }));
  svg.setAttribute("aria-label", name);
}

let fading = 0;

/**
 * Says in a corner, and to screen readers, that something was done.
 * @param {string} text
 */
export function toast(text) {
  const node = $("toast");
  node.textContent = text;
  node.classList.add("on");
  clearTimeout(fading);
  fading = setTimeout(() => node.classList.remove("on"), 5000);
}
