"""The rows of a run folder for other tools: plain dicts, pandas, Arrow.

records("runs/default")[0]["correct"]
to_pandas("runs/default").groupby(["medium", "point", "denoiser"])["correct"].mean()
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analognn.experiments.feel import FeelStore
from analognn.experiments.reading import kind, read
from analognn.experiments.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def records(folder: str | Path) -> list[dict[str, Any]]:
    """One dict a trial of ``analognn run`` or a round of ``analognn feel``, by name of the column.

    Args:
        folder: a run folder, with the database or with the committed files alone.

    Raises:
        ValueError: no results there, or a file that cannot be read.
    """
    path = Path(folder)
    store = kind(path)
    rows = read(FeelStore, path).rows if store is FeelStore else read(Store, path).rows
    return [dataclasses.asdict(row) for row in rows]


def to_pandas(folder: str | Path) -> pd.DataFrame:
    """The same as a data frame; counts that may be missing are nullable integers.

    Raises:
        ValueError: see :func:`records`; pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise ValueError("`to_pandas` needs pandas: pip install 'analognn[tables]'.") from None
    return pd.DataFrame(records(folder)).convert_dtypes()


def to_arrow(folder: str | Path) -> pa.Table:
    """The same as an Arrow table.

    Raises:
        ValueError: see :func:`records`; pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise ValueError("`to_arrow` needs pyarrow: pip install 'analognn[tables]'.") from None
    return pa.Table.from_pylist(records(folder))
