"""What the rows of a run do not hold, drawn into its folder: certificates, radio links, surfaces of (lambda', beta).

Of each medium, at the middle one of its points: certificate-LABEL.json and .png over a few draws, channel-LABEL.png of
an OFDM link, and surface-LABEL.json on the validation examples of the first draw of the run. What is there
already stays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from analognn import backends, plots, plots_certificate, plots_wireless
from analognn.backends import ChannelBackend
from analognn.certificate.by_name import certify_by_name
from analognn.channels.ofdm import Ofdm
from analognn.experiments import Scenario
from analognn.experiments.reading import kind, read
from analognn.experiments.record import Reception
from analognn.experiments.scenario import Point, canonical
from analognn.experiments.store import Store
from analognn.experiments.trial import arrive, delivery
from analognn.experiments.words import point_text
from analognn.experiments.workspace import prepare
from analognn.files import replacing
from analognn.ofdm_view import view
from analognn.progress import Report
from analognn.receiver import Labelled
from analognn.search import grid_search

DRAWS = 3
"""Of a medium, for its certificate."""
WORD = "mmsepb"
"""The receiver that searches a grid."""
Drawing = Callable[[Path], None]


@dataclass(frozen=True)
class _Place:
    """One medium of a run at one point."""

    scenario: Scenario
    label: str
    point: Point
    data_dir: Path | None

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.label} {point_text(self.point)}".strip()


def draw(folder: Path, *, data_dir: Path | None = None, progress: Report | None = None) -> list[Path]:
    """Draw what is missing into a run folder; the model and its data are needed.

    Args:
        folder: of a run.
        data_dir: data and checkpoints; by default ANALOGNN_DATA, else the user's cache directory.
        progress: told as files are written.

    Returns:
        The files that are new.

    Raises:
        ValueError: not a folder of ``analognn run``.
        FileNotFoundError: data set or checkpoint not there.
    """
    if kind(folder) is not Store:
        raise ValueError(f"`analognn report --draw` draws for folders of `analognn run`; {str(folder)!r} is none.")
    scenario = read(Store, folder).scenario
    left = [
        (folder / name, drawing) for name, drawing in _drawings(scenario, data_dir) if not (folder / name).is_file()
    ]
    for done, (path, drawing) in enumerate(left):
        if progress:
            progress(done, len(left))
        drawing(path)
    if progress:
        progress(len(left), len(left))
    return [path for path, _ in left]


def _drawings(scenario: Scenario, data_dir: Path | None) -> Iterator[tuple[str, Drawing]]:
    """File name -> what writes it."""
    for label, medium in scenario.media.items():
        points = list(medium.points())
        place = _Place(scenario, label, points[len(points) // 2], data_dir)
        yield f"certificate-{label}.json", partial(_certificate, place)
        if isinstance(_link(place), Ofdm):
            yield f"channel-{label}.png", partial(_channel, place)
        if WORD in scenario.denoiser.names:
            yield f"surface-{label}.json", partial(_surface, place)


def _certificate(place: _Place, path: Path) -> None:
    medium = place.scenario.media[place.label]
    named = certify_by_name(
        medium.backend, medium.at(place.point), place.scenario.model,
        seeds=range(DRAWS), data_dir=place.data_dir, test_examples=place.scenario.test_examples,
    )  # fmt: skip
    plots_certificate.draw(named.certificate, path.with_suffix(".png"), title=named.title)
    named.write(path)


def _link(place: _Place) -> object:
    """The channel that the medium is, if it is one."""
    medium = place.scenario.media[place.label]
    backend = backends.create(medium.backend, **medium.at(place.point))
    return backend.channel if isinstance(backend, ChannelBackend) else None


def _channel(place: _Place, path: Path) -> None:
    link = _link(place)
    assert isinstance(link, Ofdm)
    seen = view(link, generator=torch.Generator().manual_seed(place.scenario.seed))
    plots.write(plots_wireless.channel(seen, title=place.title), path)


def _surface(place: _Place, path: Path) -> None:
    """The surface on which the first draw of the run chose its pair."""
    scenario, config = place.scenario, place.scenario.denoiser
    workspace = prepare(scenario, data_dir=place.data_dir)
    reception = Reception(place.label, canonical(place.point), 0)
    arrived = delivery(workspace, reception, arrive(workspace, reception))
    examples: Labelled = arrived.needs(place, "labelled")
    found = grid_search(
        arrived.model, workspace.layout, arrived.received, arrived.prior, examples.evaluator,
        lambda_primes=config.lambda_primes, betas=config.betas,
    )  # fmt: skip
    table = {
        "medium": place.label,
        "point": point_text(place.point),
        "seed": reception.seed,
        "labelled": config.kappa,
        "lambda_primes": found.lambda_primes,
        "betas": found.betas,
        "accuracy": [[None if math.isnan(a) else a for a in row] for row in found.surface.tolist()],
        "best": [found.best.lambda_prime, found.best.beta],
    }
    with replacing(path) as part:
        part.write_text(json.dumps(table, indent=1, allow_nan=False) + "\n", encoding="utf-8")
