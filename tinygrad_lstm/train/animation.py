"""Pictures one after the other, as a .gif, or as a page with a slider.

Knows pictures and the two formats; nothing of what is shown.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..drawing.render import Picture, rendered
from ..engine.arguments import number
from ..errors import ArgumentError, PackageError, UsageError, check_path
from ..files.whole import write_file

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>δ over the training</title>
<style>body {{ font-family: sans-serif }} figure {{ display: none; margin: 0 }}
figure.shown {{ display: block }} svg {{ max-width: 100%; height: auto }}</style>
<p><button id="play">stop</button>
<input id="at" type="range" min="0" max="{last}" value="0" aria-label="update">
<output id="update"></output></p>
{figures}
<script>
const figures = document.querySelectorAll("figure"), at = document.getElementById("at");
const play = document.getElementById("play"), update = document.getElementById("update");
let timer = null;
function show(n) {{
  figures.forEach((figure, k) => figure.classList.toggle("shown", k === n));
  at.value = n;
  update.value = figures[n].dataset.title;
}}
function toggle() {{
  if (timer === null) timer = setInterval(() => show((+at.value + 1) % figures.length), {wait});
  else {{ clearInterval(timer); timer = null; }}
  play.textContent = timer === null ? "play" : "stop";
}}
at.oninput = () => {{ if (timer !== null) toggle(); show(+at.value); }};
play.onclick = toggle;
show(0);
toggle();
</script>
</html>
"""


def animate(
    frames: Sequence[tuple[int, Picture]], path: str | os.PathLike[str], seconds: float
) -> Path:
    """Write pictures to a file, as `Watch.animate` says.

    Parameters
    ----------
    frames : sequence of (update, Picture)
    path : path ending in .gif or .html
    seconds : float
        How long each picture is shown.
    """
    target = check_path("animate", path)
    suffix = target.suffix.lower()
    if suffix not in (".gif", ".html"):
        raise ArgumentError(
            f"animate: {str(target)!r} has the suffix {target.suffix!r}, expected .gif or .html"
        )
    wait = 1000 * number("animate: seconds", seconds, 0.02, 3600.0)
    if not frames:
        raise UsageError(
            "animate: no pictures were kept; say how many to keep, as in tg.watch(model, frames=24)"
        )
    content = _gif(frames, wait) if suffix == ".gif" else _html(frames, wait)
    return write_file(content, target)


def _html(frames: Sequence[tuple[int, Picture]], wait: float) -> bytes:
    figures = []
    for update, picture in frames:
        svg = rendered(picture.dot, "svg").decode()
        svg = svg[svg.index("<svg") :].replace('id="', f'id="u{update}_')
        svg = svg.replace("url(#", f"url(#u{update}_").replace('href="#', f'href="#u{update}_')
        title = escape(f"update {update}", quote=True)
        figures.append(f'<figure data-title="{title}">{svg}</figure>')
    page = PAGE.format(last=len(frames) - 1, figures="\n".join(figures), wait=round(wait))
    return page.encode()


def _gif(frames: Sequence[tuple[int, Picture]], wait: float) -> bytes:
    try:
        from PIL import Image
    except ImportError:
        raise PackageError(
            "animate needs the package pillow for a .gif: pip install pillow, or write .html"
        ) from None
    images = [
        Image.open(io.BytesIO(rendered(picture.dot, "png"))).convert("RGB") for _, picture in frames
    ]
    size = max(x.width for x in images), max(x.height for x in images)
    sheets = []
    for image in images:
        sheet = Image.new("RGB", size, "white")
        sheet.paste(image, (0, 0))
        sheets.append(sheet)
    content = io.BytesIO()
    sheets[0].save(
        content, format="GIF", save_all=True, append_images=sheets[1:], duration=wait, loop=0
    )
    return content.getvalue()
