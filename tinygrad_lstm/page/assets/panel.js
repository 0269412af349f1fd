// What is computed now, with its numbers; and the chosen signal: values, δ, shares, where it is used.

/** Show the equation that is computed now, and the number of every signal in it. */
function showNow() {
  const signal = current(), own = SIGNALS[signal], back = isBack(), told = back ? own.backward : own.forward;
  const step = LOOPS[own.loop] ? stepOf(own.loop) : place().step ?? 0;
  byId("now").replaceChildren(
    make("h2", {}, `${name(now.place)}`, make("small", {}, ` · equation ${now.line + 1} of ${lines().length}`)),
    told ? equation(told) : "",
    PAGE.answers ? make("table", { class: "numbers" }, make("caption", { class: "unseen" }, "The numbers in the equation"), make("tbody", {},
      numbersRow(signal, 0, back, step, true), ...(told?.uses ?? []).map(([place, by, δ]) => numbersRow(place, by, δ, usedStep(place, own, step), false)))) : "");
}
/** Return the step at which a signal is read: of what is summed over the steps, the last one shown. */
const usedStep = (used, own, step) => SIGNALS[used].loop === own.loop ? step : stepOf(SIGNALS[used].loop);

function numbersRow(place, by, isDelta, step, isResult) {
  const signal = SIGNALS[place], loop = LOOPS[signal.loop], at = loop ? step + by : 0;
  const where = loop ? `[${at + loop.first}]` : "";
  return make("tr", { class: isResult ? "result" : "" }, make("th", { scope: "row" }, nameButton(place, `${isDelta ? "δ" : ""}${signal.letter}${where}`)),
    make("td", {}, stated(numbersOf(place, Boolean(isDelta), at), isResult ? "= " : "")), make("td", {}, bar(place, isDelta, at)));
}

/** Return numbers after a sign of equality, or a norm, which has one of its own. */
const stated = (numbers, sign) => numbers[0] === "‖" ? numbers : sign + numbers;

/** Return a small bar of the size of a number, on the scale of the picture. */
function bar(place, isDelta, step) {
  const signal = SIGNALS[place], numbers = isDelta ? signal.delta : signal.value, loop = LOOPS[signal.loop];
  if (!numbers || (loop && (step < 0 || step >= loop.count))) return "";
  const scale = scales[isDelta ? "a" : "f"], size = sizeAt(numbers, step), element = make("i", { class: "size" });
  element.style.width = `${4 + 56 * scale.part(size)}px`;
  element.style.background = colorOf(scale, size);
  return element;
}

/** Choose a signal, and show all about it. */
function choose(signal, isFocused = false) {
  now.chosen = signal;
  showSignal();
  paint();
  for (const button of byId("names").querySelectorAll("button")) button.setAttribute("aria-pressed", String(Number(button.dataset.signal) === signal));
  if (isFocused) byId("signal").focus();
}

function showSignal() {
  const panel = byId("signal"), own = SIGNALS[now.chosen];
  if (!own) { panel.replaceChildren(...findings()); return; }
  const loop = LOOPS[own.loop], onstep = step => goToStep(own.loop, step);
  const inside = [make("h2", {}, own.name), make("p", { class: "quiet" }, `${own.kind}${calledElse(own)}, shape (${own.shape.join(", ")}${own.shape.length === 1 ? "," : ""})`,
    loop ? ` at each of ${loop.count} steps` : "", own.whole !== undefined ? ", a part of " : "", own.whole !== undefined ? nameButton(own.whole) : "")];
  if (own.parts) inside.push(make("p", {}, "consists of ", ...own.parts.flatMap((part, n) => [nameButton(part), own.of_parts === undefined ? " " : ` ${percent(row(own.of_parts)[n])} of ‖δ‖²  `])));
  if (own.forward) inside.push(make("h3", {}, `Forward${own.forward.number ? ` (${own.forward.number})` : ""}`), equation(own.forward));
  if (own.backward) inside.push(make("h3", {}, "Backward"), equation(own.backward));
  if (own.value) {
    inside.push(make("div", { id: "here" }));
    if (loop) inside.push(lineChart("sizes over the steps", [{ name: "‖value‖", numbers: row(own.value.size) },
      ...(own.delta ? [{ name: "‖δ‖", numbers: row(own.delta.size) }] : [])], loop));
    if (own.value.map) inside.push(heatMap("value", own.value.map, loop, onstep));
    if (own.delta && !own.delta.map) inside.push(make("p", { class: "quiet" }, `δ has too many entries for a map, ${count(own, loop)}: the map is left out, and so are the shares by way. Its size ‖δ‖ is told.`));
    if (own.delta?.map) inside.push(heatMap(own.asked ? "gradient" : "δ", own.delta.map, loop, onstep));
  }
  if (own.shares?.length) inside.push(...(loop ? shares(own, loop) : ledger(own)));
  if (own.users.length) inside.push(make("h3", {}, "Used by"), make("ul", { class: "users" }, ...own.users.map(user =>
    make("li", {}, nameButton(user, `(${SIGNALS[user].forward.number})`), " ", make("code", {}, SIGNALS[user].forward.text)))));
  panel.replaceChildren(...inside);
  showHere();
}

const count = (own, loop) => (own.shape.reduce((a, b) => a * b, 1) * (loop?.count ?? 1)).toLocaleString("en");

/** Return why nothing can be said of the shares of a δ: it is 0, or not finite; else "". */
function whyNot(own, step) {
  const size = own.delta ? sizeAt(own.delta, step) : NaN;
  return size === 0 ? "is 0: nothing comes back" : Number.isFinite(size) ? "" : "is not finite, and has no shares";
}

/** Return a paragraph on the first number of the pass that is not finite, if there is one. */
function firstNotFinite() {
  const hasOne = numbers => numbers && row(numbers.size).findIndex(x => !Number.isFinite(x));
  const told = (place, isDelta, step) => {
    const own = SIGNALS[place], loop = LOOPS[own.loop];
    return make("p", { class: "finding" }, "The first number that is not finite: ", nameButton(place, `${isDelta ? "δ" : ""}${own.name}${loop ? `[${step + loop.first}]` : ""}`), ". ",
      loop ? make("button", { type: "button", onclick: () => goToStep(own.loop, step) }, `Go to step ${step + loop.first}`) : null);
  };
  const computed = new Set(PAGE.runs.flatMap(run => run.lines));
  for (const [place, own] of SIGNALS.entries()) if (!computed.has(place) || !own.forward) if (!own.parts && hasOne(own.value) >= 0) return told(place, false, hasOne(own.value) * GROUP);
  for (const { run, step } of PLACES) for (const place of run.lines) {
    const isDelta = run.phase !== "forward", numbers = isDelta ? SIGNALS[place].delta : SIGNALS[place].value;
    if (numbers && !Number.isFinite(sizeAt(numbers, step ?? 0))) return told(place, isDelta, step ?? 0);
  }
  return null;
}

/** Return what the pass shows at first sight, as long as no signal is chosen. */
function findings() {
  const choice = make("p", { class: "quiet" }, "Choose a signal: click it in the picture, or in the list below.");
  if (!PAGE.answers) return [choice];
  const inside = [make("h2", {}, "What this pass shows"), firstNotFinite()].filter(Boolean);
  const carried = SIGNALS.map((own, place) => ({ own, place })).filter(({ own }) => LOOPS[own.loop]?.count > 1 && own.shares?.some(x => x.by));
  for (const { own, place } of carried) {
    const loop = LOOPS[own.loop], first = loop.backwards ? loop.count - 1 : 0;
    inside.push(make("h3", {}, `How δ comes back to ${own.letter} at step ${first + loop.first}`));
    if (whyNot(own, first)) inside.push(make("p", {}, `δ${own.letter} ${whyNot(own, first)}.`));
    else inside.push(make("p", {}, own.shares.map(share => `${percent(at(share.parts, first))} via ${via(share)}`).join(", "),
      own.shares.some(share => at(share.parts, first) < 0) ? make("small", {}, " (together 100 %; a share below 0 points against the sum)") : null),
      make("p", { class: "path" }, "The largest share, followed to the loss: ", ...follow(place, first)),
      ...own.shares.filter(x => x.by && x.via[0] === place).map(share => narrowest(own, share, loop)));
  }
  const sums = SIGNALS.map((own, place) => ({ own, place })).filter(({ own }) => own.asked && own.whole === undefined && own.shares?.some(x => x.is_timed));
  if (sums.length) inside.push(make("h3", {}, "The step that adds most to a gradient"), make("ul", { class: "users" }, ...sums.map(({ own, place }) => {
    const share = own.shares.find(x => x.is_timed), parts = row(share.parts), most = largest(parts), loop = LOOPS[SIGNALS[share.via[0]]?.loop];
    return make("li", {}, nameButton(place), whyNot(own, 0) ? `: δ ${whyNot(own, 0)}` : `: step ${most * GROUP + (loop?.first ?? 0)}, ${percent(parts[most])}`);
  })));
  const sizes = SIGNALS.map((own, place) => ({ own, place })).filter(({ own }) => own.asked && own.whole === undefined && own.delta)
    .map(x => ({ ...x, size: row(x.own.delta.size)[0] })).sort((a, b) => (Number.isNaN(b.size) ? Infinity : b.size) - (Number.isNaN(a.size) ? Infinity : a.size) || 0).slice(0, 12);
  if (sizes.length) inside.push(make("h3", {}, "The largest gradients"), make("ul", { class: "users" }, ...sizes.map(({ place, size }) =>
    make("li", {}, nameButton(place), `: ‖δ‖ = ${digits(size)} `, bar(place, true, 0)))));
  return [...inside, choice];
}

/** Show the numbers of the chosen signal at this step. */
function showHere() {
  const own = SIGNALS[now.chosen], here = byId("here");
  if (!own || !here) return;
  const loop = LOOPS[own.loop], step = loop ? stepOf(own.loop) : 0, at = loop ? ` at step ${step + loop.first}` : "";
  here.replaceChildren(make("p", {}, `value${at}: `, make("code", {}, written(own.value, step, Boolean(loop), 16, own.shape))),
    own.delta ? make("p", {}, `δ${at}: `, make("code", {}, written(own.delta, step, Boolean(loop), 16, own.shape))) : "");
  const table = byId("ways");
  if (table && loop) table.replaceChildren(...own.shares.map((share, n) => wayRow(own, share, n, step, loop)));
  if (loop) moveCursors(own.loop);
}

// --- the ways back ------------------------------------------------------------------------------

const via = share => share.via.map(x => SIGNALS[x].letter).join(", ") + (share.by ? ` of step k${share.by > 0 ? "+" : "−"}${Math.abs(share.by)}` : "");
const at = (numbers, step) => { const all = row(numbers); return all.length === 1 ? all[0] : all[Math.floor(step / GROUP)]; };

function wayRow(own, share, n, step, loop) {
  const part = whyNot(own, step) ? NaN : at(share.parts, step), element = make("i", { class: `part${part < 0 ? " minus" : ""}` });
  element.style.width = `${Math.min(Math.abs(part || 0), 1.5) * 60}px`;
  return make("tr", {}, make("th", { scope: "row" }, nameButton(share.via[0], `via ${via(share)}`), make("code", {}, share.text)), make("td", { class: "right" }, whyNot(own, step) ? "" : percent(part)), make("td", {}, element),
    make("td", { class: "right" }, `‖·‖ ${digits(at(share.sizes, step), row(share.sizes).digits)}`));
}

/** Return the shares of δ by the way on which they come back, now and at every step. */
function shares(own, loop) {
  const timed = own.shares.filter(x => row(x.sizes).length > 1);
  const path = make("p", { class: "path" });
  return [make("h3", {}, `δ${own.letter} by the way it comes back`), make("div", { class: "wide-table" }, make("table", { class: "ways" }, make("tbody", { id: "ways" }))),
    timed.length && loop.count > 1 ? lineChart("size of each share over the steps", timed.slice(0, 6).map(x => ({ name: `via ${via(x)}`, numbers: row(x.sizes) })), loop) : "",
    ...own.shares.filter(x => x.by && x.via.length === 1).map(share => narrowest(own, share, loop)),
    make("button", { type: "button", id: "follow", onclick: () => path.replaceChildren(...follow(now.chosen, stepOf(own.loop), true)) }, "Follow the largest share to the loss"), path];
}

/** Say between which steps the least comes through. */
function narrowest(own, share, loop) {
  const sizes = row(share.sizes), source = row(SIGNALS[share.via[0]].delta.size);
  let least = Infinity, where = -1;
  for (let k = 0; k < loop.count; k += GROUP) {
    const from = k + share.by;
    if (from < 0 || from >= loop.count) continue;
    const before = source[Math.floor(from / GROUP)], ratio = sizes[Math.floor(k / GROUP)] / before;
    if (before > 0 && ratio < least) { least = ratio; where = k; }
  }
  if (where < 0) return "";
  const signal = SIGNALS[share.via[0]], others = own.backward.uses.filter(([x, by, δ]) => !δ && by === share.by && share.text.includes(SIGNALS[x].letter));
  return make("p", { class: "finding" }, `Via ${via(share)}, the least comes through from step ${where + share.by + loop.first} to step ${where + loop.first}: `,
    make("b", {}, `‖share‖ / ‖δ${signal.letter}[${where + share.by + loop.first}]‖ = ${digits(least, 3)}`), ...others.map(([x]) => [`; there ${SIGNALS[x].letter} = `, make("code", {}, numbersOf(x, false, where + share.by))]).flat(),
    ". ", make("button", { type: "button", onclick: () => goToStep(own.loop, where) }, `Go to step ${where + loop.first}`));
}

/** Return the path of the largest shares from a signal at a step to the loss. */
function follow(signal, step, isMarked = false) {
  const path = [];
  let end = "";
  for (let n = 0; n < 5000; n++) {
    const own = SIGNALS[signal];
    if ((end = own.kind === "loss" ? "" : whyNot(own, step))) break;
    const several = (own.shares ?? []).filter(x => x.via.length && x.via[0] !== signal || x.by);
    if (own.kind === "loss" || !several.length) break;
    const best = several.reduce((a, b) => at(b.parts, step) > at(a.parts, step) ? b : a);
    path.push({ signal, step: LOOPS[own.loop] ? step : null, part: at(best.parts, step) });
    const next = best.via[0], loop = LOOPS[SIGNALS[next].loop];
    step = loop ? Math.max(0, Math.min(step + best.by, loop.count - 1)) : 0;
    signal = next;
  }
  const told = [], turns = [];
  for (const here of path) {
    const last = turns.at(-1);
    if (last && last.signal === here.signal) { last.until = here.step; last.parts.push(here.part); }
    else turns.push({ ...here, until: here.step, parts: [here.part] });
  }
  for (const { signal: at, step: from, until, parts } of turns) {
    const first = LOOPS[SIGNALS[at].loop]?.first ?? 0, label = from === null ? "" : from === until ? `[${from + first}]` : `[${from + first} … ${until + first}]`;
    const part = parts.every(x => x > 0.9999 && x < 1.0001) ? "all" : parts.length > 1 ? `${percent(Math.min(...parts))} at least` : percent(parts[0]);
    told.push(nameButton(at, `${SIGNALS[at].letter}${label}`), ` ← ${part} via `);
  }
  if (isMarked) markPath(path);
  return [...told, make("b", {}, SIGNALS[signal].letter), end && `, of which δ ${end}`];
}

function markPath(path) {
  for (const group of view.querySelectorAll(".onpath")) group.classList.remove("onpath");
  const onPath = new Set(path.map(x => x.signal));
  for (const [key, groups] of parts) if (key[0] === "a") for (const group of groups) group.classList.toggle("onpath", onPath.has(signalOf(group)) && !group.classList.contains("a"));
}

/** Return the gradient of what all steps use as a sum over the steps. */
function ledger(own) {
  const inside = [];
  for (const share of own.shares) {
    const parts = row(share.parts), loop = LOOPS[SIGNALS[share.via[0]]?.loop];
    if (!share.is_timed || !loop || parts.length < 2) {
      if (own.shares.length > 1) inside.push(make("p", {}, `via ${via(share)}: ${whyNot(own, 0) || percent(parts[0])}`));
      continue;
    }
    if (whyNot(own, 0)) { inside.push(make("p", {}, `δ${own.letter} ${whyNot(own, 0)}.`)); continue; }
    const most = largest(parts), step = most * GROUP;
    const several = GROUP > 1 ? `steps ${step + loop.first} … ${Math.min(step + GROUP, loop.count) - 1 + loop.first} contribute` : `step ${step + loop.first} contributes`;
    inside.push(make("h3", {}, `The gradient as a sum over the steps`), share.text ? make("p", {}, make("code", {}, `δ${own.letter} = ${share.text}`)) : "",
      make("p", { class: "finding" }, `Most: `, make("b", {}, `${several} ${percent(parts[most])}`), ` of the gradient; ‖share‖ = ${digits(row(share.sizes)[most], 3)}. ${Math.min(...parts) < 0 ? "A bar below the line takes away. " : ""}`,
        make("button", { type: "button", onclick: () => goToStep(SIGNALS[share.via[0]].loop, step) }, "Go there")),
      barChart("part of each step, ⟨share, gradient⟩ / ‖gradient‖²: together 100 %", parts, loop, step => goToStep(SIGNALS[share.via[0]].loop, step)));
  }
  return inside;
}
