"""Records of a run as tests compare them."""

import dataclasses

from analognn.experiments import Store


def rows(folder):
    """All records without their wall time, by trial."""
    return {record.key: dataclasses.replace(record, wall_s=None) for record in Store(folder).records()}
