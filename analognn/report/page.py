"""What a report is made of, and how it becomes one HTML file that loads nothing.

    Page -> Part (a run, or runs compared) -> Section -> blocks: text, Table, Picture, Code

Everything from files is text until the template escapes it; pictures are data URIs inside ``<img>``, where nothing
runs.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from analognn.channels import checks

MAX_PICTURES = 12
"""Of one kind, in one section."""
MAX_SVG = 120_000
"""A figure whose SVG has more bytes becomes a PNG."""
_DPI = 110


@dataclass(frozen=True)
class Table:
    """Rows under a caption.

    Args:
        caption: one line.
        columns: headings.
        rows: of as many cells; the first one heads its row.
        numbers: the last so many columns are numbers, aligned right.
        folded: shown only when asked for.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int = 0
    folded: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            checks.integer("Table", "cells of a row", len(row), ge=len(self.columns))


@dataclass(frozen=True)
class Picture:
    """An image inside the page.

    Args:
        source: data URI.
        alt: what it shows, for who does not see it.
        caption: one line.
        wide: several panels, which a narrow screen scrolls.
    """

    source: str
    alt: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, as many as the screen takes."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Code:
    """Text as it stands, to copy or to save.

    Args:
        caption: one line.
        text: the lines.
        file: name to save it under; empty for what is typed.
    """

    caption: str
    text: str
    file: str = ""

    @property
    def source(self) -> str:
        """Data URI."""
        return data_uri(self.text.encode(), "text/plain")


Block = str | Table | Pictures | Code


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Part:
    """Sections under a heading: one run, or all of them compared."""

    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Page:
    """The whole report.

    Args:
        title: of the page.
        parts: in their order.
        writer: what wrote it.
    """

    title: str
    parts: tuple[Part, ...]
    writer: str

    def html(self) -> str:
        """One file."""
        loader = PackageLoader("analognn.report", "templates")
        environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.tests["kind"] = lambda block, name: type(block).__name__ == name
        return environment.get_template("page.html.jinja").render(page=self)


def figure(drawn: Figure, *, alt: str, caption: str, wide: bool = False) -> Picture:
    """A figure as a picture: SVG if that is small, else PNG. The same figure gives the same bytes.

    >>> figure(Figure(figsize=(1, 1)), alt="nothing", caption="").source[:26]
    'data:image/svg+xml;base64,'
    """
    if not wide:
        with matplotlib.rc_context({"svg.hashsalt": "analognn", "svg.fonttype": "path"}):
            svg = _drawn(drawn, format="svg", metadata={"Date": None, "Creator": None})
        if len(svg) <= MAX_SVG:
            return Picture(data_uri(svg, "image/svg+xml"), alt, caption)
    return png(_drawn(drawn, format="png", dpi=_DPI), alt=alt, caption=caption, wide=wide)


def png(content: bytes, *, alt: str, caption: str, wide: bool) -> Picture:
    """The content of a PNG file as a picture."""
    return Picture(data_uri(content, "image/png"), alt, caption, wide)


def data_uri(content: bytes, media_type: str) -> str:
    """RFC 2397.

    >>> data_uri(b"hello", "text/plain")
    'data:text/plain;base64,aGVsbG8='
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def sections(found: Iterable[tuple[str, Iterable[Block | None]]]) -> tuple[Section, ...]:
    """Those that have a block, of blocks that may be missing."""
    filled = ((title, tuple(block for block in blocks if block)) for title, blocks in found)
    return tuple(Section(title, blocks) for title, blocks in filled if blocks)


def count(number: int, one: str, many: str = "") -> str:
    """A number of things in words.

    >>> count(1, "draw"), count(3, "medium", "media")
    ('1 draw', '3 media')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def _drawn(drawn: Figure, **options: Any) -> bytes:
    file = io.BytesIO()
    drawn.savefig(file, **options)
    return file.getvalue()
