// Numbers of the page: the rows of the table, how a number is written, and its colour.

const byId = id => document.getElementById(id);
const PAGE = JSON.parse(byId("data").textContent);
const { signals: SIGNALS, loops: LOOPS, group: GROUP } = PAGE;
const known = new Map();

/** Return a row of the table: each number is the first bytes of a float of 64 bits. */
function row(place) {
  if (!known.has(place)) {
    const text = PAGE.rows[place], width = Number(text[0]), bytes = atob(text.slice(1));
    const count = bytes.length / width, view = new DataView(new ArrayBuffer(8 * count));
    for (let n = 0; n < count; n++)
      for (let at = 0; at < width; at++) view.setUint8(8 * n + at, bytes.charCodeAt(width * n + at));
    const numbers = Float64Array.from({ length: count }, (_, n) => view.getFloat64(8 * n));
    numbers.digits = width;
    known.set(place, numbers);
  }
  return known.get(place);
}

/** Return a number with as many digits as are known, four at most. */
function digits(number, count = 4) {
  if (!Number.isFinite(number)) return Number.isNaN(number) ? "nan" : number > 0 ? "∞" : "−∞";
  const size = Math.abs(number);
  const text = size === 0 ? "0" : size < 1e-3 || size >= 1e5
    ? number.toExponential(Math.min(count, 3) - 1).replace("e+", "e") : String(Number(number.toPrecision(count)));
  return text.replaceAll("-", "−");
}

const percent = part => Number.isFinite(part) ? `${digits(Number((100 * part).toPrecision(3)))} %` : "not finite";

/** Return the place of the largest number that is finite; -1 if there is none. */
const largest = numbers => numbers.reduce((best, x, at) => Number.isFinite(x) && !(x <= numbers[best]) ? at : best, -1);

/** Return the size of something at a step: its Euclidean norm, or the largest of a group of steps. */
function sizeAt(numbers, step) {
  const sizes = row(numbers.size);
  return sizes.length === 1 ? sizes[0] : sizes[Math.floor(step / GROUP)];
}

const sizeText = (numbers, step) => digits(sizeAt(numbers, step), row(numbers.size).digits);

/** Return the entries of something at a step, or null if the page holds them in groups only. */
function entriesAt(numbers, step, isTimed) {
  const map = numbers.map;
  if (!map || map.down > 1 || map.across > 1) return null;
  const cells = row(map.at);
  return isTimed ? cells.slice(step * map.columns, (step + 1) * map.columns) : cells;
}

/** Return the numbers of something at a step as text: its entries, or its norm if they are many. */
function written(numbers, step, isTimed, most = 6, shape = []) {
  if (!numbers) return "";
  const cells = entriesAt(numbers, step, isTimed);
  if (cells && cells.length === 1) return digits(cells[0]);
  if (cells && cells.length <= most) return nested([...cells].map(x => digits(x)), shape);
  return `‖·‖ = ${sizeText(numbers, step)}` + (isTimed && GROUP > 1 ? ` (largest of ${GROUP} steps)` : "");
}

/** Return texts in brackets: of a matrix, a bracket for each row. */
function nested(texts, shape) {
  const wide = shape.length > 1 ? shape.at(-1) : texts.length;
  if (wide === texts.length || texts.length % wide) return `[${texts.join(", ")}]`;
  return `[${Array.from({ length: texts.length / wide }, (_, n) => `[${texts.slice(n * wide, (n + 1) * wide).join(", ")}]`).join(", ")}]`;
}

/** Return the numbers of a signal, or of its δ, at a step of its loop; beyond the ends too. */
function numbersOf(place, isDelta, step) {
  const signal = SIGNALS[place], loop = LOOPS[signal.loop], isTimed = Boolean(loop);
  if (isTimed && (step < 0 || step >= loop.count)) {
    if (isDelta) return "0 (there is no such step)";
    return signal.start === undefined ? "0" : numbersOf(signal.start, false, 0);
  }
  return written(isDelta ? signal.delta : signal.value, step, isTimed, 6, signal.shape);
}

// Cividis (Nuñez, Anderton and Renslow, 2018), which colour-blind people read like all others.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const SIGNED = ["#b35806", "#e08214", "#fdb863", "#f1e3cf", "#f4f4f4", "#d5dbe9", "#92a9d6", "#4f74b8", "#1f4690"];

const paper = { isOn: false }; // while the page is printed, which is light
const isDark = () => !paper.isOn && (document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme
  && matchMedia("(prefers-color-scheme: dark)").matches));

function between(colors, part) {
  const at = Math.max(0, Math.min(1, part)) * (colors.length - 1), low = Math.min(Math.floor(at), colors.length - 2);
  const [one, other] = [colors[low], colors[low + 1]].map(hex => [1, 3, 5].map(n => parseInt(hex.slice(n, n + 2), 16)));
  return `rgb(${one.map((x, n) => Math.round(x + (other[n] - x) * (at - low))).join(",")})`;
}

/** Return the colour of a size, by powers of ten: the larger, the farther from the background. */
const sizeColor = part => between(CIVIDIS, isDark() ? 0.12 + 0.88 * part : 0.9 - 0.9 * part);
const signedColor = part => between(SIGNED, (part + 1) / 2);
const NOT_FINITE = "#cc79a7";
const colorOf = (scale, size) => Number.isFinite(size) ? sizeColor(scale.part(size)) : NOT_FINITE;

/** Return where a size stands between the least and the largest of some rows, 0 to 1, by powers of ten. */
function scaleOf(rows, decades) {
  let most = 0, least = Infinity;
  for (const sizes of rows) for (const size of sizes) {
    if (size > most && size < Infinity) most = size;
    if (size > 0 && size < least) least = size;
  }
  most ||= 1;
  const low = Math.log10(Math.min(Math.max(least, most / 10 ** decades), most / 10));
  const part = size => size === 0 ? 0 : Number.isFinite(size)
    ? Math.max(0, (Math.log10(size) - low) / (Math.log10(most) - low)) : 1;
  return { part, least: 10 ** low, most };
}

/** Return an element; text in it is text, and no markup. */
function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside.filter(part => part !== null && part !== undefined));
  return element;
}

/** Return how the equations call a signal, where that is not the end of its name. */
const plain = text => text.replaceAll("−", "-").toLowerCase();
const isCalledElse = ({ name, letter, kind }) => letter !== kind && !`_${plain(name).replaceAll(".", "_")}`.endsWith(`_${plain(letter).replaceAll(".", "_")}`);
const calledElse = own => isCalledElse(own) ? `, ${own.letter} in the equations` : "";

/** Return an equation: in MathML if the page has it, otherwise as text. */
function equation(told) {
  const box = make("div", { class: "equation", role: "group", "aria-label": told.text });
  for (const math of told.math) {
    const root = new DOMParser().parseFromString(math, "text/xml").documentElement;
    if (root.localName === "math" && root.namespaceURI.endsWith("MathML")) box.append(document.importNode(root, true), make("br"));
  }
  if (!box.childNodes.length) box.append(make("code", {}, told.text));
  return box;
}

/** Return the name of a signal as a button that chooses the signal. */
const nameButton = (place, text) => make("button", {
  type: "button", class: "name", onclick: () => choose(place) }, text || SIGNALS[place].name);
