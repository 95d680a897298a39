"""How the gallery finds pictures: a cell that ends in ``figure`` shows it, as it would in a notebook."""

from __future__ import annotations

from typing import Any

from sphinx_gallery.scrapers import figure_rst


def scraper(block: tuple[str, str, int], block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the picture of this cell; the reStructuredText that shows it, or none."""
    if block[1].rstrip().rpartition("\n")[2] != "figure":
        return ""
    path = next(block_vars["image_path_iterator"])
    block_vars["example_globals"]["figure"].savefig(path, dpi=120)
    return str(figure_rst([path], gallery_conf["src_dir"]))
