// Small charts: a map of entries over the steps, sizes over the steps, and parts as bars.

const SVG_NAME = "http://www.w3.org/2000/svg";
function draw(tag, attributes, ...inside) {
  const element = document.createElementNS(SVG_NAME, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

/** Return a map: of a signal a column for each step, of a matrix the matrix itself. */
function heatMap(title, map, loop, onstep) {
  const cells = row(map.at), isTimed = Boolean(loop), isGrouped = map.down > 1 || map.across > 1;
  const [wide, high] = isTimed ? [map.rows, map.columns] : [map.columns, map.rows];
  const canvas = make("canvas", { width: wide, height: high, class: "heat" });
  const scale = scaleOf([cells.map(Math.abs)], 6), most = scale.most;
  const pen = canvas.getContext("2d"), at = (x, y) => isTimed ? cells[x * map.columns + y] : cells[y * map.columns + x];
  for (let x = 0; x < wide; x++) for (let y = 0; y < high; y++) {
    pen.fillStyle = !Number.isFinite(at(x, y)) ? NOT_FINITE : isGrouped ? sizeColor(scale.part(at(x, y))) : signedColor(at(x, y) / most);
    pen.fillRect(x, y, 1, 1);
  }
  const told = make("span", { class: "told" });
  canvas.addEventListener("pointermove", event => {
    const frame = canvas.getBoundingClientRect();
    const x = Math.min(wide - 1, Math.floor((event.clientX - frame.left) / frame.width * wide));
    const y = Math.min(high - 1, Math.floor((event.clientY - frame.top) / frame.height * high));
    const where = isTimed ? `step ${x * map.down + loop.first}${map.down > 1 ? " …" : ""}, entry ${y * map.across}${map.across > 1 ? " …" : ""}` : `entry (${y * map.down}, ${x * map.across})`;
    told.textContent = `${where}: ${digits(at(x, y), cells.digits)}`;
  });
  if (onstep) canvas.addEventListener("click", event => {
    const frame = canvas.getBoundingClientRect();
    onstep(Math.floor((event.clientX - frame.left) / frame.width * wide) * map.down);
  });
  const grouping = [isTimed && map.down > 1 && `${map.down} steps`, map.across > 1 && `${map.across} entries`, !isTimed && map.down > 1 && `${map.down} rows`].filter(Boolean).join(" × ");
  const isEmpty = !cells.some(x => x !== 0);
  const how = (isEmpty ? "all entries are 0" : isGrouped ? `each cell: the largest |entry| of ${grouping}` : `orange below 0, blue above, up to ${digits(most)}`)
    + (cells.every(Number.isFinite) ? "" : "; pink: not finite");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${title}: ${wide} by ${high} cells; ${how}`);
  const cursor = make("i", { class: "cursor", "data-count": isTimed ? wide : "", "data-down": map.down });
  return make("figure", {}, make("figcaption", {}, title, " ", make("small", {}, how)),
    make("div", { class: "heatbox" }, canvas, isTimed ? cursor : null),
    make("small", { class: "axis" }, isTimed ? `steps ${loop.first} … ${loop.first + loop.count - 1} →` : "", " ", told));
}

const DASHES = ["", "6 3", "2 2", "8 2 2 2", "1 3", "10 4"], INKS = ["var(--one)", "var(--two)", "var(--three)", "var(--four)", "var(--five)", "var(--six)"];

/** Return lines of sizes over the steps, by powers of ten. */
function lineChart(title, series, loop) {
  const [wide, high] = [320, 96], scale = scaleOf(series.map(x => x.numbers), 12), count = series[0].numbers.length;
  const x = at => count > 1 ? 4 + at / (count - 1) * (wide - 8) : wide / 2, y = size => high - 4 - scale.part(size) * (high - 8);
  const svg = draw("svg", { viewBox: `0 0 ${wide} ${high}`, class: "chart", role: "img", "aria-label":
    `${title}. ${series.map(s => `${s.name}: from ${digits(s.numbers[0], 3)} at the first step to ${digits(s.numbers[count - 1], 3)} at the last`).join("; ")}` });
  series.forEach((one, n) => svg.append(draw("polyline", { points: [...one.numbers].map((size, at) => size > 0 ? `${x(at).toFixed(1)},${y(size).toFixed(1)}` : "").join(" "),
    fill: "none", stroke: INKS[n % INKS.length], "stroke-dasharray": DASHES[n % DASHES.length] })));
  const cursor = draw("line", { class: "cursor", y1: 0, y2: high, x1: 0, x2: 0, "data-wide": wide - 8, "data-count": count });
  svg.append(cursor);
  return make("figure", {}, make("figcaption", {}, title, " ", make("small", {}, `${digits(scale.least)} to ${digits(scale.most)}, by powers of ten`)), svg,
    make("small", { class: "axis" }, `steps ${loop.first} … ${loop.first + loop.count - 1} →  `,
      ...series.flatMap((one, n) => { const key = draw("svg", { viewBox: "0 0 24 8", class: "key" });
        key.append(draw("line", { x1: 0, x2: 24, y1: 4, y2: 4, stroke: INKS[n % INKS.length], "stroke-dasharray": DASHES[n % DASHES.length] }));
        return [key, ` ${one.name}  `]; })));
}

/** Return bars of parts over the steps: above the line what adds, below it what takes away. */
function barChart(title, all, loop, onstep) {
  const numbers = all.map(x => Number.isFinite(x) ? x : 0);
  if (!all.every(Number.isFinite)) title += " (what is not finite has no bar)";
  const [wide, high] = [320, 110], most = Math.max(...numbers, 0), least = Math.min(...numbers, 0), span = most - least || 1;
  const zero = 4 + most / span * (high - 8), width = (wide - 8) / numbers.length, top = numbers.indexOf(Math.max(...numbers));
  const svg = draw("svg", { viewBox: `0 0 ${wide} ${high}`, class: "chart bars", role: "img", "aria-label":
    `${title}. ${[...numbers].slice(0, 40).map((x, at) => `step ${at * GROUP + loop.first}: ${percent(x)}`).join("; ")}` });
  [...numbers].forEach((part, at) => {
    const bar = draw("rect", { x: 4 + at * width, width: Math.max(width - (width > 4 ? 1 : 0), 0.4), class: at === top ? "most" : "",
      y: Math.min(zero, zero - part / span * (high - 8)), height: Math.max(Math.abs(part / span * (high - 8)), 0.3) });
    bar.append(draw("title", {}, `step ${at * GROUP + loop.first}: ${percent(part)}`));
    bar.addEventListener("click", () => onstep(at * GROUP));
    svg.append(bar);
  });
  svg.append(draw("line", { x1: 4, x2: wide - 4, y1: zero, y2: zero, class: "zero" }));
  return make("figure", {}, make("figcaption", {}, title), svg, make("small", { class: "axis" }, `steps ${loop.first} … ${loop.first + loop.count - 1} →`));
}

/** Put the cursors of all charts to the step that is shown. */
function moveCursors(loop) {
  const step = stepOf(loop);
  for (const cursor of document.querySelectorAll("i.cursor")) {
    cursor.style.left = `${Math.floor(step / cursor.dataset.down) / cursor.dataset.count * 100}%`;
    cursor.style.width = `${100 / cursor.dataset.count}%`;
  }
  for (const cursor of document.querySelectorAll("line.cursor")) {
    const count = Number(cursor.dataset.count), x = count > 1 ? 4 + Math.floor(step / GROUP) / (count - 1) * cursor.dataset.wide : 160;
    cursor.setAttribute("x1", x); cursor.setAttribute("x2", x);
  }
}
