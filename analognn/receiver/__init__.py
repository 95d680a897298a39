"""The receiver: from noisy weights to a model, with all it may know counted."""

from analognn.receiver.analytic import CorrectVariance, Project, Protect
from analognn.receiver.calibrated import CorrectOffset, DenoiseState
from analognn.receiver.chain import Receiver
from analognn.receiver.delivery import BUDGETS, Delivery, Oracle, Spent, Stage, dearest
from analognn.receiver.denoising import Denoise
from analognn.receiver.inputs import Labelled
from analognn.receiver.labelfree import SearchUnlabelled
from analognn.receiver.matching import MatchMoments
from analognn.receiver.names import Settings, receiver, stages
from analognn.receiver.oracle import OracleLayers, OracleSearch
from analognn.receiver.pattern import NoiseTables, noise_tables
from analognn.receiver.recalibration import Recalibrate
from analognn.receiver.searching import Search, SearchLayers
from analognn.receiver.side import SideInformation, measure
from analognn.receiver.tuning import TuneAffine

__all__ = [
    "BUDGETS",
    "CorrectOffset",
    "CorrectVariance",
    "Delivery",
    "Denoise",
    "DenoiseState",
    "Labelled",
    "MatchMoments",
    "NoiseTables",
    "Oracle",
    "OracleLayers",
    "OracleSearch",
    "Project",
    "Protect",
    "Recalibrate",
    "Receiver",
    "Search",
    "SearchLayers",
    "SearchUnlabelled",
    "Settings",
    "SideInformation",
    "Spent",
    "Stage",
    "TuneAffine",
    "dearest",
    "measure",
    "noise_tables",
    "receiver",
    "stages",
]
