// A comparison with a derivation by hand: the first wrong gradient, its consequences, the mistake.

function showReport() {
  const report = PAGE.report;
  if (!report) return;
  const panel = byId("report");
  panel.hidden = false;
  const inside = [make("h2", {}, report.summary)];
  if (report.first_name) inside.push(make("p", {}, make("span", { class: "tag wrong" }, "first wrong"), " ",
    report.first >= 0 ? nameButton(report.first, report.first_name) : report.first_name, report.numbers ? ` ${report.numbers}` : ""));
  for (const mistake of report.mistakes) inside.push(make("p", { class: "mistake" }, make("b", {}, "mistake: "), mistake.says));
  for (const one of report.equations) inside.push(make("div", { class: "beside" },
    make("div", { class: "right-one" }, make("h3", {}, "right"), marked(one.right)), make("div", { class: "wrong-one" }, make("h3", {}, "with the mistake"), marked(one.wrong))));
  for (const line of report.lines) inside.push(make("p", { class: "quiet" }, line));
  inside.push(make("ul", { class: "rows" }, ...report.rows.map(entry => make("li", { class: entry.mark },
    make("span", { class: `tag ${entry.mark}` }, entry.mark_says), " ", entry.place >= 0 ? nameButton(entry.place, entry.name) : entry.name, ` ${entry.verdict}`))));
  panel.replaceChildren(...inside);
}

/** Return an equation in which ⟨ ⟩ stands around the part that is changed. */
function marked(text) {
  const element = make("code", {});
  for (const piece of text.split(/(⟨[^⟨⟩]*⟩)/)) element.append(piece[0] === "⟨" ? make("mark", {}, piece.slice(1, -1)) : piece);
  return element;
}
