"""Which releases of our libraries fit together, told from package metadata alone.

aihwkit's compiled tiles are bound to the torch releases they were built for, which its own metadata does not say. A
wrong pair fails in ways Python cannot catch (undefined symbols, a dead process), so it is named here before it loads.
The pairs were measured: convert, forward, program, drift and a training step of both tile types.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

AIHWKIT_TORCH = {(1, 1): ((2, 10), (2, 13)), (1, 2): ((2, 13), (2, 16))}
"""aihwkit release -> first torch release that works, first one that does not (or was not tried)."""
LIBRARIES = ("analognn", "torch", "torchvision", "aihwkit", "sionna", "numpy")
MINIMUM = {"sionna": (2, 2), "numpy": (2, 2)}


@dataclass(frozen=True)
class Finding:
    """One line of ``analognn doctor``.

    Args:
        name: package, or pair of packages.
        found: what is installed.
        problem: empty where all is well, else what is wrong and the way out.
    """

    name: str
    found: str
    problem: str = ""


def diagnose() -> list[Finding]:
    """Check the installed releases against each other, without importing any of them."""
    findings = [Finding("python", platform.python_version(), _python_problem())]
    findings += [Finding(name, installed(name) or "missing", _missing(name)) for name in ("torch", "torchvision")]
    findings += [Finding(name, installed(name) or "missing", _too_old(name, least)) for name, least in MINIMUM.items()]
    findings += [Finding("aihwkit", installed("aihwkit") or "missing", _missing("aihwkit"))]
    findings += [Finding("torchvision with torch", _pair("torchvision", "torch"), torchvision_problem())]
    findings += [Finding("aihwkit with torch", _pair("aihwkit", "torch"), aihwkit_problem())]
    return findings


def require_aihwkit() -> None:
    """Raise ``RuntimeError`` where importing aihwkit could kill the process; call it before the import."""
    problem = _missing("aihwkit") or aihwkit_problem()
    if problem:
        raise RuntimeError(f"aihwkit cannot be used here: {problem}")


def installed(package: str) -> str:
    """Version of an installed package, or an empty text."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def versions() -> dict[str, str]:
    """Of Python and of the libraries that decide numbers; they stand beside every result."""
    return {"python": platform.python_version()} | {name: installed(name) for name in LIBRARIES}


def aihwkit_problem() -> str:
    """What is wrong with the installed pair of aihwkit and torch, or an empty text."""
    aihwkit, torch = installed("aihwkit"), installed("torch")
    if not aihwkit or not torch:
        return ""
    span = AIHWKIT_TORCH.get(_release(aihwkit))
    if span is None:
        known = ", ".join(_text(release) for release in AIHWKIT_TORCH)
        return (
            f"aihwkit {aihwkit} was measured with no torch; install {known}.*: pip install -c constraints.txt analognn."
        )
    first, end = span
    if first <= _release(torch) < end:
        return ""
    return (
        f"aihwkit {aihwkit} works with torch >= {_text(first)}, < {_text(end)}; got {torch}. Install the pinned pair: "
        "pip install -c constraints.txt analognn."
    )


def torchvision_problem() -> str:
    """Whether torchvision is the build for the installed torch, which its metadata says: a text if it is not."""
    torchvision, torch = installed("torchvision"), installed("torch")
    wanted = _torch_of_torchvision() if torchvision and torch else ""
    if not wanted or torch.split("+")[0] == wanted:
        return ""
    return (
        f"torchvision {torchvision} is built for torch {wanted}; got {torch}. Install the pinned pair: "
        "pip install -c constraints.txt analognn."
    )


def _torch_of_torchvision() -> str:
    """The release in torchvision's requirement ``torch==...``, or an empty text."""
    pins = (re.fullmatch(r"torch ?\(?==([\w.]+)\)?", text) for text in requires("torchvision") or [])
    return next((pin.group(1) for pin in pins if pin), "")


def _python_problem() -> str:
    major, minor = (int(part) for part in platform.python_version_tuple()[:2])
    return "" if (3, 11) <= (major, minor) <= (3, 13) else f"needs Python 3.11 to 3.13; got {major}.{minor}."


def _missing(package: str) -> str:
    return "" if installed(package) else f"{package} is not installed; run pip install -c constraints.txt analognn."


def _too_old(package: str, least: tuple[int, int]) -> str:
    problem = _missing(package)
    if problem or _release(installed(package)) >= least:
        return problem
    return f"needs {package} >= {_text(least)}; got {installed(package)}. Run pip install -c constraints.txt analognn."


def _pair(first: str, second: str) -> str:
    return f"{installed(first) or 'missing'} with {installed(second) or 'missing'}"


def _release(text: str) -> tuple[int, int]:
    major, minor = text.split("+")[0].split(".")[:2]
    return int(major), int(minor)


def _text(release: tuple[int, int]) -> str:
    return f"{release[0]}.{release[1]}"
