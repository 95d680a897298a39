"""How Sphinx builds these pages; `make docs` runs it. Nothing is fetched: building and reading need no network."""

import doctest
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), *map(str, (HERE.parent / "tests" / "plugins").iterdir())]

from analognn import __version__  # noqa: E402

project = "analognn"
author = "the analognn developers"
copyright = "the analognn developers, Apache-2.0"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.doctest",
    "sphinx_gallery.gen_gallery",
    "sphinx_click",
    "mathml",
    "plain_docstrings",
]
exclude_patterns = ["_build", "gallery"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
smartquotes_action = "qe"  # --option keeps its dashes

autodoc_default_options = {"members": True, "member-order": "bysource", "special-members": "__call__"}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

doctest_test_doctest_blocks = ""  # those in docstrings are pytest's
doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
doctest_global_setup = """
import os, tempfile
_back, _here = os.getcwd(), tempfile.TemporaryDirectory()  # what a page writes goes there
os.chdir(_here.name)
"""
doctest_global_cleanup = "os.chdir(_back); _here.cleanup()"

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "_gallery",
    "filename_pattern": r"\.py$",  # every one runs, and one that fails ends the build
    "abort_on_example_error": True,
    "image_scrapers": "last_figure.scraper",
    "capture_repr": (),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

# Every name in a docstring must lead somewhere, but for those of other projects: their pages are not here, and asking
# for them (intersphinx) would need a network. Some come without their module; Job and the like are type variables.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(torch|numpy|flwr|pydantic|pydantic_core|pathlib|importlib|contextlib|os|collections\.abc)\..*"),
    ("py:.*", r"Tensor|nn\.Module|ResourceGrid|Strategy\.\w+|Path|pa\.Table|pd\.DataFrame"),
    ("py:class", r"analognn\.experiments\.\w+\.(Job|Shared|Result|Asked|Row)(_co)?"),
]

html_theme = "furo"
html_title = f"analognn {release}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False


def setup(app):
    app.connect("include-read", lambda _app, _path, _docname, content: with_local_links(content, ""))
    app.connect("source-read", lambda _app, _docname, content: with_local_links(content, "../../"))


def with_local_links(content, root):
    """Links to reports, which are no pages here, offer the file; those of the README to a page lead there."""
    link = r"(?<!!)\[([^]]+)\]\(" + re.escape(root)
    content[0] = re.sub(link + r"(benchmarks/[^)]+)\)", rf"{{download}}`\1 <{root or '/../'}\2>`", content[0])
    content[0] = re.sub(link + r"docs/([^)]+)\)", r"[\1](/\2)", content[0])
