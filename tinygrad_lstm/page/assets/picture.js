// The picture: numbers as colour, what is computed now, what is chosen; zoom, and modules that open.

const view = byId("view"), hint = byId("hint");
let drawn = PAGE.pictures[0], box = null;
const parts = new Map(); // the groups of a part of the picture, by side and part
const isArc = part => part[0] === "a";
const dataOf = part => (isArc(part) ? drawn.arcs : drawn.vertices)[Number(part.slice(1))];
const shown = [...new Map(PAGE.pictures.flatMap(p => p.arcs).map(x => [JSON.stringify([x.value, x.delta]), x])).values()];
const scales = {
  f: scaleOf(shown.filter(x => x.value).map(x => row(x.value.size)), 4),
  a: scaleOf(shown.filter(x => x.delta).map(x => row(x.delta.size)), 8),
};

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), x => x.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
}

/** Put a picture in the place of the one that is shown. */
async function put(picture) {
  if (picture !== drawn) {
    if (picture.packed) picture.svg = await unpack(picture.packed);
    picture.packed = null;
    drawn.svg ??= new XMLSerializer().serializeToString(view.querySelector("svg"));
    const root = new DOMParser().parseFromString(picture.svg.includes("xmlns") ? picture.svg
      : picture.svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'), "image/svg+xml").documentElement;
    view.replaceChildren(document.importNode(root, true));
    drawn = picture;
  }
  prepare();
  show(false);
}

function prepare() {
  const svg = view.querySelector("svg");
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", "The network above, its adjoint network below. Arrow keys go from part to part.");
  begin();
  parts.clear();
  for (const group of svg.querySelectorAll("[data-p]")) {
    const key = group.dataset.s + group.dataset.p;
    if (!parts.has(key)) parts.set(key, []);
    parts.get(key).push(group);
    const data = dataOf(group.dataset.p);
    if (!data) continue;
    const isSeen = group.querySelector("text, ellipse, polygon, path");
    if (isSeen && (group.classList.contains("l") || group.classList.contains("v"))) {
      group.setAttribute("tabindex", "-1");
      group.setAttribute("role", signalOf(group) >= 0 || data.module ? "button" : "img");
    }
    if (isArc(group.dataset.p) && !data.labels.length && parts.get(key).length === 1) { // read by keys
      group.setAttribute("tabindex", "-1");
      group.setAttribute("role", "img");
    }
    if (group.classList.contains("a")) {  // a wide unseen line, which is easy to point at
      const path = group.querySelector("path");
      const wide = path?.cloneNode();
      if (wide) { wide.removeAttribute("stroke"); wide.setAttribute("class", "wide"); group.prepend(wide); }
    }
  }
  const first = svg.querySelector("[tabindex]");
  if (first) first.setAttribute("tabindex", "0");
  for (const frame of svg.querySelectorAll("[data-m]")) {
    const module = PAGE.modules.find(x => x === frame.dataset.m || x.endsWith("." + frame.dataset.m));
    if (module && drawn.open) frame.querySelector("text").addEventListener("click", () => toggle(module));
  }
  tools();
}

/** Return the signal that a group of the picture stands for: a label of a weight, the weight. */
function signalOf(group) {
  const data = dataOf(group.dataset.p);
  if (!data) return -1;
  return group.dataset.l !== undefined ? data.labels[group.dataset.l] ?? -1 : data.weight ?? data.signal;
}

/** Say what a part carries at this step. */
function say(group) {
  const data = dataOf(group.dataset.p), isAdjoint = group.dataset.s === "a", signal = signalOf(group);
  if (data.module) return `module ${data.module}: click, or press Enter, to open`;
  const own = SIGNALS[signal], name = own ? `${own.name}${isCalledElse(own) ? ` (${own.letter})` : ""}` : data.says || `the output of ${data.after}`;
  if (!isArc(group.dataset.p) || (group.dataset.l !== undefined && data.labels[group.dataset.l] === data.weight)) {
    if (signal < 0) return data.says || "factor";
    const step = data.step ?? stepOf(SIGNALS[signal].loop);
    const numbers = PAGE.answers ? numbersOf(signal, isAdjoint, step) : "";
    return `${isAdjoint ? "δ" : ""}${name}${numbers && (stated(numbers, "") === numbers && numbers[0] === "‖" ? ": " : " = ")}${numbers}`;
  }
  const what = data.weight === undefined ? name : `what ${SIGNALS[data.weight]?.name ?? "the weight"} makes of its input`;
  const numbers = isAdjoint ? data.delta : data.value;
  if (!numbers) return isAdjoint ? `no δ comes back here` : what;
  const timed = data.loop >= 0, step = timed ? stepOf(data.loop) : 0;
  const number = timed ? step + LOOPS[data.loop].first : 0;
  const at = !timed ? "" : data.by && !isAdjoint ? ` of step ${digits(number + data.by)}, read at step ${number}` : ` at step ${number}`;
  return `${isAdjoint ? "δ that comes back along this arrow" : what}${at}: ${written(numbers, step, timed)}`;
}

const spoken = group => say(group).replaceAll("‖·‖ =", "norm").replaceAll("−", "minus ");

/** Colour every arrow by its number at this step, and mark what is computed now. */
function paint() {
  const signal = current(), back = isBack();
  for (const [key, groups] of parts) {
    const side = key[0], part = key.slice(1), data = dataOf(part);
    if (!data) continue;
    const isAdjoint = side === "a";
    const isOther = data.step !== undefined && place().step !== null && data.step !== place().step;
    let isKnown = isAdjoint ? back : true;
    if (isArc(part)) {
      isKnown &&= isAdjoint ? data.users.every(x => isDone(x, "backward")) : data.source < 0 || isDone(data.source, "forward");
      const numbers = isAdjoint ? data.delta : data.value;
      const timed = data.loop >= 0;
      const size = numbers ? sizeAt(numbers, timed ? stepOf(data.loop) : 0) : null, at = size === null ? null : scales[side].part(size);
      for (const group of groups) {
        const isLine = group.classList.contains("a");
        group.style.setProperty("--color", isKnown && at !== null ? colorOf(scales[side], size) : "");
        group.style.setProperty("--wide", isKnown && at !== null ? 1 + 3.5 * at : "");
        group.classList.toggle("colored", isLine && isKnown && at !== null);
        group.classList.toggle("faint", isOther || (isLine && !isKnown));
        const isUsed = isAdjoint ? back && data.signal === signal && !data.weight : !back && data.users.includes(signal);
        group.classList.toggle("now", isUsed && !isOther && !isCarry(data, isAdjoint));
        if (isLine && group.hasAttribute("tabindex")) group.setAttribute("aria-label", spoken(group));
      }
    }
    for (const group of groups) {
      const own = signalOf(group), isLine = group.classList.contains("a");
      if (!isLine) {
        group.classList.toggle("now", own === signal && isAdjoint === back && !isOther);
        if (!isArc(part)) group.classList.toggle("faint", isOther);
        group.setAttribute("aria-label", spoken(group));
      }
      group.classList.toggle("chosen", own >= 0 && own === now.chosen && (!isLine || data.signal === own));
      if (PAGE.report && (isAdjoint || PAGE.view !== "both")) { // a gradient is wrong, and no value
        group.classList.toggle("wrong", PAGE.report.first === own && own >= 0);
        group.classList.toggle("consequence", PAGE.report.consequences.includes(own));
      }
    }
  }
}
const isCarry = (data, isAdjoint) => !isAdjoint && data.users.length === 0;

// --- pointing -----------------------------------------------------------------------------------

const groupAt = event => event.target.closest?.("[data-p]");
function showHint(group, x, y) {
  if (!group || !dataOf(group.dataset.p)) { hint.hidden = true; return; }
  hint.textContent = say(group);
  hint.hidden = false;
  const frame = view.getBoundingClientRect(), rect = group.getBoundingClientRect();
  const left = (x ?? rect.right) - frame.left + 14, top = (y ?? rect.bottom) - frame.top + view.offsetTop + 10;
  hint.style.left = `${Math.max(4, Math.min(left, frame.width - hint.offsetWidth - 8))}px`;
  hint.style.top = `${top}px`;
}
view.addEventListener("pointermove", event => { if (!drag) showHint(groupAt(event), event.clientX, event.clientY); });
view.addEventListener("pointerleave", () => { hint.hidden = true; });
view.addEventListener("focusin", event => { const group = groupAt(event); if (group?.matches(":focus-visible")) showHint(group); });
view.addEventListener("focusout", () => { hint.hidden = true; });
function act(group) {
  const data = group && dataOf(group.dataset.p);
  if (data?.module) return toggle(data.module);
  if (data && signalOf(group) >= 0) choose(signalOf(group));
}
view.addEventListener("click", event => { if (!moved) act(groupAt(event)); });
view.addEventListener("keydown", event => {
  const group = groupAt(event), all = [...view.querySelectorAll("[tabindex]")];
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (by && group) {
    const next = all[(all.indexOf(group) + by + all.length) % all.length];
    group.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  } else if ((event.key === "Enter" || event.key === " ") && group) act(group);
  else return;
  event.preventDefault();
  event.stopPropagation();
});

// --- zoom and pan -------------------------------------------------------------------------------

let drag = null, moved = false;
const TALL = 1.1; // height for width of a picture of which a part is shown, as wide as it is
const LEAST_SCALE = 0.42, GOOD_SCALE = 0.75; // pixels for a unit of a picture: below the least no letter is read
function frame(svg, ...corners) {
  svg.frame = corners;
  svg.setAttribute("viewBox", corners.join(" "));
  box = [...corners];
}
/** Show the whole picture, or as much of it as can be read. */
function begin() {
  const svg = view.querySelector("svg");
  svg.whole ??= svg.getAttribute("viewBox").split(" ").map(Number);
  const [left, top, wide, high] = svg.whole, room = view.clientWidth || wide, isTall = high > TALL * wide;
  const scale = isTall ? room / wide : Math.min(room / wide, 0.56 * innerHeight / high), part = Math.min(wide, room / GOOD_SCALE);
  if (scale < LEAST_SCALE) frame(svg, left, top, part, Math.min(high, 0.62 * part));
  else frame(svg, left, top, wide, isTall ? 0.62 * wide : high);
}
const fit = () => { const svg = view.querySelector("svg"); frame(svg, ...svg.whole); };

/** Move the picture so that what is computed now is seen. */
function keepInSight() {
  const svg = view.querySelector("svg"), group = svg.querySelector(".now:not(.a)");
  if (!group || drag || String(box) === String(svg.whole)) return;
  const frame = svg.getBoundingClientRect(), part = group.getBoundingClientRect(), scale = box[2] / frame.width;
  const [x, y] = [["left", "right"], ["top", "bottom"]].map(([low, high]) =>
    part[low] < frame[low] ? part[low] - frame[low] - 60 : part[high] > frame[high] ? part[high] - frame[high] + 60 : 0);
  if (!x && !y) return;
  box = [box[0] + x * scale, box[1] + y * scale, box[2], box[3]];
  svg.setAttribute("viewBox", box.join(" "));
}
function zoom(factor, x, y) {
  const svg = view.querySelector("svg");
  if (!factor) return fit();
  const around = svg.getBoundingClientRect(), [left, top, wide, high] = box, here = svg.querySelector(".now:not(.a)")?.getBoundingClientRect();
  const [px, py] = x !== undefined ? [(x - around.left) / around.width, (y - around.top) / around.height]
    : here ? [(here.left + here.width / 2 - around.left) / around.width, (here.top + here.height / 2 - around.top) / around.height] : [0.5, 0.5];
  const size = Math.max(0.05, Math.min(3, wide / factor / svg.frame[2]));
  const [w, h] = [svg.frame[2] * size, svg.frame[3] * size];
  box = [left + (wide - w) * px, top + (high - h) * py, w, h];
  svg.setAttribute("viewBox", box.join(" "));
}
view.addEventListener("wheel", event => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.clientX, event.clientY);
}, { passive: false });
view.addEventListener("pointerdown", event => { drag = { x: event.clientX, y: event.clientY, box: [...box] }; moved = false; });
addEventListener("pointerup", () => { drag = null; });
addEventListener("pointermove", event => {
  if (!drag) return;
  const svg = view.querySelector("svg"), scale = box[2] / svg.getBoundingClientRect().width;
  const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
  if (Math.hypot(x, y) < 4) return;
  moved = true;
  box = [drag.box[0] - x * scale, drag.box[1] - y * scale, box[2], box[3]];
  svg.setAttribute("viewBox", box.join(" "));
});

// --- modules, and steps -------------------------------------------------------------------------

const isSame = (one, other) => one && other && one.length === other.length && one.every(x => other.includes(x));
function toggle(module) {
  const open = drawn.open ?? PAGE.pictures.find(p => p.open).open;
  const wanted = open.includes(module) ? open.filter(x => x !== module && !x.startsWith(module + "."))
    : [...open, ...PAGE.modules.filter(x => module === x || module.startsWith(x + "."))];
  const found = PAGE.pictures.find(p => isSame(p.open, [...new Set(wanted)]))
    ?? PAGE.pictures.filter(p => p.open && p.open.includes(module) === !open.includes(module)).sort((a, b) => a.open.length - b.open.length)[0];
  if (found) put(found);
}
function tools() {
  const folded = PAGE.pictures.filter(p => p.open), kinds = PAGE.pictures.filter(p => p.name || p === folded[0]);
  const hasSteps = PAGE.runs.some(run => run.step !== null);
  const isShown = picture => picture.open ? Boolean(drawn.open) : drawn === picture;
  byId("modules").replaceChildren(...[
    kinds.length > 1 && make("span", { class: "choice", role: "group", "aria-label": "Kind of picture" }, ...kinds.map(picture =>
      make("button", { type: "button", "aria-pressed": String(isShown(picture)), onclick: () => put(picture) },
        picture.name || (LOOPS.some(Boolean) ? "one step for all" : hasSteps ? "every step" : "every block")))),
    folded.length > 1 && drawn.open && make("span", { class: "choice", role: "group", "aria-label": "Modules" }, "open: ",
      ...PAGE.choices.map(x => make("button", { type: "button", "aria-pressed": String(drawn.open.includes(x)), onclick: () => toggle(x) }, x))),
  ].filter(Boolean));
  byId("scale").replaceChildren(...(PAGE.answers ? Object.entries(scales).filter(([side]) => side === "f" || PAGE.view === "both").map(([side, scale]) =>
    make("span", {}, `${side === "f" ? "value" : "δ"} ‖·‖ ${digits(scale.least)} `, ramp(), ` ${digits(scale.most)}`)) : []));
  if (PAGE.answers && !shown.every(x => [x.value, x.delta].every(numbers => !numbers || row(numbers.size).every(Number.isFinite)))) {
    const key = make("i", { class: "size" });
    key.style.cssText = `width: 14px; background: ${NOT_FINITE}`;
    byId("scale").append(make("span", {}, key, " not finite"));
  }
}
function ramp() {
  const canvas = make("canvas", { width: 90, height: 10 }), pen = canvas.getContext("2d");
  for (let x = 0; x < 90; x++) { pen.fillStyle = sizeColor(x / 89); pen.fillRect(x, 0, 1, 10); }
  return canvas;
}
