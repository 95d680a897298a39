"""Certificates of registered media and models by name, as ``analognn show certificate`` makes them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from analognn import backends, compat, data, models
from analognn.channels import checks
from analognn.evaluate import Evaluator
from analognn.files import replacing
from analognn.packing import ParameterLayout

from .measure import Certificate, certify

_YOUNGER = {
    "in_order": {"rho": (), "standard_error": ()},
    **dict.fromkeys(("symbol_corr", "symbol_magnitude_corr", "row_sum_var", "row_sum_var_se"), math.nan),
}
"""What certificates did not measure at first, of the shape."""


@dataclass(frozen=True)
class Named:
    """A certificate and what it is of.

    Args:
        medium: name of the backend or channel.
        parameters: those that were set.
        model: name.
        certificate: what was found.
    """

    medium: str
    parameters: dict[str, Any]
    model: str
    certificate: Certificate

    @property
    def title(self) -> str:
        """One line for people.

        >>> Named("awgn", {"wnr_db": 10.0}, "mnist-resnet8", None).title
        'awgn (wnr_db = 10.0) on mnist-resnet8'
        """
        settings = ", ".join(f"{key} = {value}" for key, value in self.parameters.items())
        return f"{self.medium}{f' ({settings})' if settings else ''} on {self.model}"

    @classmethod
    def read(cls, path: Path) -> Named:
        """What :meth:`write` left.

        Raises:
            ValueError: no certificate in that file.
        """
        try:
            tables = json.loads(path.read_text(encoding="utf-8"))
            medium, model = dict(tables.pop("medium")), str(tables.pop("model"))
            del tables["versions"]
            backend = str(medium.pop("backend"))
            certificate = TypeAdapter(Certificate).validate_python(_with_infinities(tables))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{path} is no certificate: {reason}. `analognn show certificate` writes one.") from None
        return cls(backend, medium, model, certificate)

    def write(self, path: Path) -> None:
        """All numbers as JSON, with the versions of the libraries that made them."""
        tables = {
            "medium": {"backend": self.medium, **self.parameters},
            "model": self.model,
            **self.certificate.to_dict(),
            "versions": compat.versions(),
        }
        with replacing(path) as part:
            part.write_text(json.dumps(tables, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _there(table: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (table or {}).items() if value is not None}


def _with_infinities(tables: dict[str, Any]) -> dict[str, Any]:
    """What JSON could not say is back: no noise is an infinite WNR, what does not exist is NaN."""

    def noise(table: Mapping[str, Any]) -> dict[str, Any]:
        missing = {name: math.inf if name == "wnr_db" else math.nan for name, value in table.items() if value is None}
        return {**table, **missing}

    checked = [{name: value for name, value in check.items() if name != "ok"} for check in tables["checks"]]
    accuracy = [{**row, "wnr_db": math.inf if row["wnr_db"] is None else row["wnr_db"]} for row in tables["accuracy"]]
    return {
        **tables,
        "whole": noise(tables["whole"]),
        "tensors": {name: noise(table) for name, table in tables["tensors"].items()},
        "shape": _YOUNGER | measured if (measured := _there(tables["shape"])) else None,
        "checks": [noise(check) for check in checked],
        "accuracy": accuracy,
    }


def certify_by_name(
    medium: str,
    parameters: Mapping[str, Any],
    model: str = "mnist-resnet8",
    *,
    seeds: Iterable[int] = range(10),
    data_dir: Path | None = None,
    test_examples: int = 0,
) -> Named:
    """Certify a medium on a trained model and the first ``test_examples`` (0: all) of its test data.

    Raises:
        ValueError: no such medium or model, a parameter that does not fit, or more examples than there are.
        FileNotFoundError: data set or checkpoint not there.
    """
    backend = backends.create(medium, **parameters)
    spec, trained = models.spec(model), models.load(model, data_dir=data_dir)
    checks.integer("certify_by_name", "test_examples", test_examples, ge=0)
    test = data.load(spec.dataset, data_dir=data_dir).test
    if test_examples > len(test):
        raise ValueError(
            f"`certify_by_name(test_examples=...)` must be <= {len(test)}, the test examples there are; "
            f"got {test_examples}."
        )
    evaluator = Evaluator(*spec.prepare(test.take(slice(test_examples or None)), data_dir=data_dir))
    layout = ParameterLayout.from_model(trained)
    packed = layout.pack(trained)
    certificate = certify(packed, backend, score=lambda values: evaluator(layout.unpack(values, trained)), seeds=seeds)
    return Named(medium, dict(parameters), model, certificate)
