"""The book: what Sphinx needs to know. `make book` builds it into out/book."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import links
import look_up
from sphinx.errors import SphinxError
from sphinx.util import logging

import tinygrad_lstm

project = "tinygrad_lstm"
release = tinygrad_lstm.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx-mathjax-offline"]
exclude_patterns = ["conf.py", "links.py", "look_up.py", "pictures"]
suppress_warnings = ["myst.header"]  # a part of the README starts one level further in
default_role = "literal"  # single backticks stand around names and code in the docstrings
nitpicky = False

html_theme = "furo"
html_title = "tinygrad_lstm"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

nb_execution_mode = "force"  # every cell runs, and a cell that fails ends the build
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_render_markdown_format = "myst"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def setup(app):
    """Write the pages of *look up* before Sphinx reads its sources."""
    app.connect("builder-inited", lambda app: look_up.write(Path(app.srcdir) / "look_up"))
    app.connect("autodoc-process-docstring", look_up.escape, priority=100)
    app.connect("build-finished", check_links)


def check_links(app, failure):
    """End the build with an error if a link of the book leads nowhere inside of the book."""
    if failure or app.builder.format != "html":
        return
    broken, count, outside = links.check(Path(app.outdir))
    if broken:
        raise SphinxError("links that lead nowhere:\n" + "\n".join(sorted({*broken})))
    logging.getLogger(__name__).info(
        f"{count} links inside of the book are right; not checked, since they are outside: "
        + ", ".join(sorted(outside))
    )
