"""Federated edge learning over the air: many devices train one model, and their updates add up on a noisy channel.

    r = sum_m w~_m + z,    w(t+1) = w(t) + w_hat(r) / M

:func:`train_locally` is what a device does and :func:`aggregate` what the base station does; both are pure, and every
engine calls these two. :func:`play_round` is the plain loop. Shao, Liew, Gunduz, "Denoising Noisy Neural Networks",
sec. II-B and V-C.
"""

from analognn.federated.aggregation import aggregate
from analognn.federated.config import Federation
from analognn.federated.layout import AirLayout
from analognn.federated.local import Turn, Update, train_locally
from analognn.federated.partition import partition, server_examples
from analognn.federated.planning import FollowPower
from analognn.federated.plans import Fixed, Lmmse, Plan, Search
from analognn.federated.record import RoundRecord
from analognn.federated.rounds import play, play_round
from analognn.federated.rules import PRESETS, Rules
from analognn.federated.setup import Cell, Setup
from analognn.federated.state import State
from analognn.federated.station import PLANS, BaseStation, make_plan
from analognn.federated.tuning import Tuned, tune_pair
from analognn.federated.uplink import RefusedUpdate

__all__ = [
    "PLANS",
    "PRESETS",
    "AirLayout",
    "BaseStation",
    "Cell",
    "Federation",
    "Fixed",
    "FollowPower",
    "Lmmse",
    "Plan",
    "RefusedUpdate",
    "RoundRecord",
    "Rules",
    "Search",
    "Setup",
    "State",
    "Tuned",
    "Turn",
    "Update",
    "aggregate",
    "make_plan",
    "partition",
    "play",
    "play_round",
    "server_examples",
    "train_locally",
    "tune_pair",
]
