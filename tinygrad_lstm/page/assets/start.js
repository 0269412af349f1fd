// The page starts: the list of signals, the search, the keys, help and notes.

function show(isTold) {
  byId("slider").value = now.place;
  byId("slider").setAttribute("aria-valuetext", name(now.place));
  byId("when").textContent = name(now.place);
  showNow();
  paint();
  keepInSight();
  showHere();
  if (isTold && !now.timer) {
    const signal = current(), own = SIGNALS[signal], told = isBack() ? own.backward : own.forward;
    byId("live").textContent = `${name(now.place)}: ${told?.text ?? own.name}`;
  }
}

/** Return the signals of a name: those called just so before those that contain it. */
function search(wanted) {
  const words = plain(wanted).split(/\s+/).filter(Boolean), whole = words.join(" ");
  const far = ({ name, letter }) => {
    const names = [plain(name), plain(letter)];
    if (!words.every(word => names.some(x => x.includes(word)))) return Infinity;
    return names.includes(whole) ? 0 : names[0].endsWith("." + whole) ? 1 : 2;
  };
  return SIGNALS.map((signal, place) => ({ signal, place, far: far(signal) })).filter(x => x.far < Infinity).sort((a, b) => a.far - b.far);
}

/** List the signals of a name; of "δlstm.f[3]" the signal lstm.f, which then is shown at step 3. */
function list(wanted) {
  let several = search(wanted), step = null;
  const isDelta = !several.length && wanted.startsWith("δ"), own = isDelta ? wanted.slice(1) : wanted, at = own.match(/\[(\d+)\]$/);
  if (isDelta) several = search(own);
  if (!several.length && at) {
    several = search(own.slice(0, at.index)).filter(({ signal }) => LOOPS[signal.loop] && Number(at[1]) - LOOPS[signal.loop].first < LOOPS[signal.loop].count);
    step = Number(at[1]);
  }
  const open = ({ signal, place }) => {
    choose(place);
    if (step !== null || isDelta) goToStep(signal.loop, step === null ? stepOf(signal.loop) : step - LOOPS[signal.loop].first, isDelta ? "backward" : undefined);
  };
  byId("names").replaceChildren(...several.map(one => make("li", {}, make("button", { type: "button", class: "name", "data-signal": one.place,
    "aria-pressed": String(one.place === now.chosen), onclick: () => open(one) }, one.signal.name), make("small", {}, ` ${one.signal.kind}${calledElse(one.signal)}`))));
  if (!several.length) byId("names").append(make("li", { class: "quiet" }, "no signal has this name"));
}

const KEYS = [["Space", "play, pause"], ["→ ←", "one equation on, back"], ["Shift + → ←", "one step on, back"], ["Home End", "first, last"],
  ["/", "search a signal"], ["Tab", "to the picture, then arrow keys from part to part, Enter chooses"], ["+ − 0", "larger, smaller, fit; or Ctrl and the wheel"], ["Esc", "no signal chosen"], ["?", "this help"]];
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("about").open) return;
  const isText = event.target.matches?.("input[type=search]"), isRange = event.target.matches?.("input[type=range]");
  if (event.key === "Escape") { byId("search").blur(); choose(-1); byId("search").value = ""; list(""); return; }
  if (isText && event.key === "Enter") { const first = byId("names").querySelector("button"); if (first) { first.click(); byId("signal").focus(); } return; }
  if (isText || (isRange && event.key !== " ")) return;
  if (event.key === " " && event.target.matches?.("button, summary")) return;
  const acts = { " ": play, ArrowRight: () => { pause(); event.shiftKey ? go(now.place + 1, -1) : move(1); },
    ArrowLeft: () => { pause(); event.shiftKey ? go(now.place - 1, -1) : move(-1); }, Home: () => go(0, 0), End: () => go(PLACES.length - 1, -1),
    "/": () => byId("search").focus(), "+": () => zoom(1.25), "-": () => zoom(0.8), 0: () => zoom(0), "?": () => byId("help").click() };
  if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
});
byId("play").onclick = play;
byId("on").onclick = () => { pause(); move(1); };
byId("back").onclick = () => { pause(); move(-1); };
byId("slider").max = PLACES.length - 1;
byId("slider").oninput = event => { pause(); go(Number(event.target.value), -1); };
byId("search").oninput = event => list(event.target.value);
byId("theme").onclick = () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; repaint(); };
for (const button of document.querySelectorAll("[data-zoom]")) button.onclick = () => zoom(Number(button.dataset.zoom));
byId("help").onclick = () => byId("about").showModal();
byId("about").append(make("button", { type: "button", autofocus: true, onclick: () => byId("about").close() }, "Close"), make("h2", {}, "Keys"), make("dl", {}, ...KEYS.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)])),
  make("h2", {}, "Marks"), make("table", { class: "marks" }, make("tbody", {}, ...PAGE.marks.map((texts, n) => make("tr", {}, ...texts.map(text => make(n ? "td" : "th", {}, text)))))),
  ...PAGE.remarks.map(text => make("p", {}, text)));
byId("notes").append(...PAGE.notes.map(text => make("p", { class: "note" }, text)));
const phases = PLACES.map(x => x.run.phase);
byId("track").replaceChildren(...["forward", "backward", "gradients"].filter(x => phases.includes(x)).map(phase => {
  const part = make("span", { class: phase }, phase);
  part.style.flex = phases.filter(x => x === phase).length;
  return part;
}));
list("");
showReport();
showSignal();
prepare();
go(0, 0, false);
if (PAGE.report?.first >= 0) {
  const { first, step } = PAGE.report, start = LOOPS[SIGNALS[first].loop]?.first ?? 0;
  const at = PLACES.findIndex(x => x.run.phase !== "forward" && x.run.lines.includes(first) && (step === null || Math.abs(x.step + start - step) < GROUP));
  choose(first);
  if (at >= 0) go(at, PLACES[at].run.lines.indexOf(first), false);
}
function repaint() { tools(); show(false); showSignal(); }
addEventListener("beforeprint", () => { paper.isOn = true; view.querySelector("svg").setAttribute("viewBox", view.querySelector("svg").whole.join(" ")); repaint(); });
addEventListener("afterprint", () => { paper.isOn = false; view.querySelector("svg").setAttribute("viewBox", box.join(" ")); repaint(); });
document.documentElement.dataset.ready = "yes";
