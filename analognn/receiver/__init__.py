"""The receiver: from noisy weights to a model, with what it may know counted."""

from analognn.receiver.chain import Receiver
from analognn.receiver.delivery import BUDGETS, Budget, Delivery, Labelled, Oracle, Spent, Stage, dearest
from analognn.receiver.denoising import Denoise
from analognn.receiver.names import Settings, receiver, words
from analognn.receiver.recalibration import Recalibrate
from analognn.receiver.searching import Search
from analognn.receiver.side import SideInformation, measure

__all__ = [
    "BUDGETS",
    "Budget",
    "Delivery",
    "Denoise",
    "Labelled",
    "Oracle",
    "Recalibrate",
    "Receiver",
    "Search",
    "Settings",
    "SideInformation",
    "Spent",
    "Stage",
    "dearest",
    "measure",
    "receiver",
    "words",
]
