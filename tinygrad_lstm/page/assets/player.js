// The pass as a row of moments: which step, which equation; the slider, and play and pause.

// A place is a step of a loop, or what is computed once; at a place there is a line for each equation.
const PLACES = [];
for (const [number, run] of PAGE.runs.entries()) {
  const loop = LOOPS[run.loop], count = loop ? loop.count : 1;
  const isReversed = loop && loop.backwards !== (run.phase === "backward");
  for (let at = 0; at < count; at += GROUP) {
    const step = isReversed ? count - 1 - at : at;
    PLACES.push({ run, number, step: loop ? step : run.step ?? null });
  }
}
const now = { place: 0, line: 0, timer: null, chosen: -1 };
const place = () => PLACES[now.place];
const lines = () => place().run.lines;
const current = () => lines()[now.line];
const isBack = () => place().run.phase !== "forward";

/** Return the step of a loop that is shown now: of another loop, the last one that was computed. */
function stepOf(loop) {
  const here = place();
  if (here.run.loop === loop) return here.step;
  let step = null;
  for (let at = 0; at <= now.place && at < PLACES.length; at++)
    if (PLACES[at].run.loop === loop) step = PLACES[at].step;
  return step ?? 0;
}

/** Return whether a signal, or its δ, is computed at this moment or was before. */
const ranks = { forward: new Map(), backward: new Map() };
for (const [number, run] of PAGE.runs.entries())
  for (const [line, signal] of run.lines.entries())
    ranks[run.phase === "forward" ? "forward" : "backward"].set(signal, [number, line]);
function isDone(signal, phase) {
  const rank = ranks[phase].get(signal), number = place().number;
  return !rank || rank[0] < number || (rank[0] === number && rank[1] <= now.line);
}

function name(at) {
  const { run, step } = PLACES[at];
  if (run.phase === "gradients") return "gradients: sums over the steps";
  if (step === null) return run.phase;
  const loop = LOOPS[run.loop], first = loop ? loop.first : 0;
  const until = GROUP > 1 && loop ? `–${Math.min(step + GROUP, loop.count) - 1 + first}` : "";
  return `${run.phase}, step ${step + first}${until}`;
}

function go(to, line, isTold = true) {
  now.place = Math.max(0, Math.min(to, PLACES.length - 1));
  now.line = line < 0 ? lines().length - 1 : Math.min(line, lines().length - 1);
  show(isTold);
}

/** Go to the next equation, or the one before. */
function move(by, isTold = true) {
  const line = now.line + by;
  if (line >= 0 && line < lines().length) go(now.place, line, isTold);
  else if (by > 0 && now.place < PLACES.length - 1) go(now.place + 1, 0, isTold);
  else if (by < 0 && now.place > 0) go(now.place - 1, -1, isTold);
  else return false;
  return true;
}

/** Go to a step of a signal's loop, in the phase that is shown. */
function goToStep(loop, step, phase = isBack() ? "backward" : "forward") {
  const at = PLACES.findIndex(x => x.run.loop === loop && x.run.phase === phase && Math.abs(x.step - step) < GROUP);
  if (at >= 0) go(at, -1);
}

function pause() {
  clearTimeout(now.timer);
  now.timer = null;
  byId("play").textContent = "▶";
  byId("play").setAttribute("aria-label", "Play");
}

function play() {
  if (now.timer) return pause();
  if (now.place === PLACES.length - 1 && now.line === lines().length - 1) go(0, 0, false);
  byId("play").textContent = "❚❚";
  byId("play").setAttribute("aria-label", "Pause");
  const wait = () => [2400, 1600, 1000, 600, 300, 120, 30][byId("speed").value];
  const next = () => {
    const isOn = PLACES.length > 60 ? now.place < PLACES.length - 1 && (go(now.place + 1, -1, false), true) : move(1, false);
    now.timer = isOn ? setTimeout(next, wait()) : null;
    if (!isOn) pause();
  };
  now.timer = setTimeout(next, wait());
}
