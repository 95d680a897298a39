"""The reference benchmark: scenarios in three tiers, controls that must change nothing, and a table of all methods.

    tiny       embedded data, some minutes of one core: for CI
    standard   small networks, CIFAR-10 and SST-2 at hand: some hours of a CPU
    full       the networks of the papers, weights brought along: a GPU

Each part is a scenario file in the folder of its tier, to read and to copy. What ran is an ordinary run folder.
"""

from analognn.suite.board import Published, leaderboard, published
from analognn.suite.controls import violations
from analognn.suite.playing import Bench, Outcome, bench
from analognn.suite.scoring import Score, scores
from analognn.suite.tiers import PARTS, TIERS, Part, parts

__all__ = [
    "PARTS",
    "TIERS",
    "Bench",
    "Outcome",
    "Part",
    "Published",
    "Score",
    "bench",
    "leaderboard",
    "parts",
    "published",
    "scores",
    "violations",
]
