"""Docstrings are written to be read as they stand in the source; this makes reStructuredText of them.

An indented block is an equation and keeps its columns; ``|h|`` is a magnitude, ``global_`` a name and "num_rounds: T."
no item of a list, all without markup; and a class that a module imports is found by its bare name, where no other of
that name is documented.
"""

from __future__ import annotations

import itertools
import pydoc
import re
from collections.abc import Iterable, Iterator
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from analognn import _HOME as HOMES

RESULT = re.compile(r"    (\w+): ")
CODE = re.compile(r"(`[^`]*`)")
LETTER = re.compile(r"(?<=\w: )([A-Za-z])\.(?=\s|$)")
SECTION = re.compile(r"\w+( \w+)?:$")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks; docstrings come here before napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", reworked, priority=400)
    app.connect("autodoc-process-signature", without_factories)
    app.connect("missing-reference", by_bare_name)
    return {"parallel_read_safe": True}


def reworked(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """The docstring of one object, changed in place."""
    lines[:] = _listed(_plain(lines))
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # or else napoleon takes "The sum: ..." for a type and its description


def without_factories(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """A signature in which the default of a dataclass field is Python again."""
    return signature and signature.replace("<factory>", "..."), returns


def _plain(lines: list[str]) -> Iterator[str]:
    inside, before, blank = False, "", True
    for line in lines:
        if line and (blank or not inside):
            starts = blank and line[0] == " " and before[:1] not in ("", " ", ">") and not SECTION.match(before)
            if starts:
                yield from (".. code-block:: text", "")
            inside = line[0] == " " and (inside or starts)
        yield line if inside or line.lstrip().startswith((">>>", "...")) else _escaped(line)
        before, blank = line or before, not line


def _listed(lines: Iterable[str]) -> Iterator[str]:
    """Several results, ``name: text`` each, as a list; napoleon takes the first name for a type."""
    returns = several = False
    for line in lines:
        returns = line == "Returns:" or (returns and line[:1] in ("", " "))
        several = returns and (several or bool(RESULT.match(line)))
        first = RESULT.sub(r"    * **\1** - ", line)
        yield f"      {line.strip()}" if several and line and first == line else first if several else line


def _escaped(line: str) -> str:
    parts = CODE.split(LETTER.sub(r"\1\\.", line))
    parts[::2] = [re.sub(r"\||(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def by_bare_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """A link to the documented object that the target of ``node`` names, or its name where it has no page.

    None, which ends the build, for a name that is nothing.
    """
    if node.get("refdomain") != "py":
        return None
    objects = env.domains.python_domain.objects
    target = node["reftarget"].removeprefix("analognn.")
    target = f"{HOMES[target]}.{target}" if target in HOMES else target
    names = [name for name in objects if name.endswith(f".{target}")]
    nearest = max((_shared(name, node.get("py:module")) for name in names), default=0)
    names = sorted((name for name in names if _shared(name, node.get("py:module")) == nearest), key=len)
    if len({objects[name].docname for name in names}) != 1:
        return content if pydoc.locate(node["reftarget"]) is not None else None
    place = objects[names[0]]
    return make_refnode(app.builder, node["refdoc"], place.docname, place.node_id, content)


def _shared(name: str, module: str | None) -> int:
    """How many of the first parts of two dotted names agree."""
    pairs = zip(name.split("."), (module or "").split("."), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
