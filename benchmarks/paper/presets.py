"""Three readings of the paper's noisy inference: what the text says, what the released code does, and an audit.

Text: Shao, Liew, Gunduz, "Denoising Noisy Neural Networks: A Bayesian Approach With Compensation", sec. V-B. Code: the
authors' repository lynshao/NoisyNN: Main.py and f_add_noise_and_decode.py of InferenceNoise_CIFAR10 and _SST2, and the
script that drew the published curves, Reproduce_inference/plot_figures.py with its records (until Dec 2021).

Everything in which the readings differ is a field of :class:`Preset`; all else is common to them: the model, its clean
accuracy, the noise draws, the reported test images, the grid of (lambda', beta), normalisation layers without noise.

That last point holds for the released inference code too: it tests for 'shortcut.1', the name of the shortcuts' batch
norms. The training code (sec. V-C) tests for 'shortcut:1', which no key has, and sends their weights, statistics and
counters through the noise; this concerns Figure 9 and nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from analognn.channels import units
from analognn.denoise import Prior

Power = Literal["variance", "mean square"]
Known = Literal["clean variance", "blind"]
Examples = Literal["training", "first of training, augmented", "unseen"]
Chosen = Literal["validation examples", "test examples"]


@dataclass(frozen=True)
class Preset:
    """One reading.

    Args:
        name: as the command line takes it.
        power: what the decibels compare the noise with. Text: Var[w] (WNR). Code: E[w^2] (Es/N0), which for these
            networks puts another 0.01 to 0.1 dB on the axis and changes nothing else.
        prior: where the receiver has the variance of the weights from. Text and code: the clean weights. Audit: what
            arrived.
        examples: the kappa validation examples. Text: drawn from the training set. Code: its first kappa, the same for
            every noise draw, and cropped and mirrored anew for every candidate, since the loader's training transform
            is on. Both are images the network was fitted to. Audit: images it never saw.
        chosen_on: what picks the pair behind the reported MMSEpb curve. Text and audit: the validation examples. Code:
            the largest test accuracy of each draw's grid; validation accuracies are written and never read.
    """

    name: str
    power: Power
    prior: Known
    examples: Examples
    chosen_on: Chosen

    @property
    def denoisers(self) -> tuple[str, ...]:
        """What is run, by the names of receivers; the last is the one reported as MMSEpb."""
        searched = ("mmsepb", "oracle-mmsepb") if self.chosen_on == "test examples" else ("mmsepb",)
        return ("ml", "mmse", *searched)

    def axis_db(self, wnr_db: float, weights: Prior) -> float:
        """What the axis says [dB] at a WNR, for clean weights with this mean and variance.

        >>> round(PRESETS["as-coded"].axis_db(0.0, Prior(mean=1.0, var=1.0)), 2)
        3.01
        """
        if self.power == "variance":
            return wnr_db
        return units.wnr_db_to_snr_db(wnr_db, mean=weights.mean, var=weights.var)


def beta(stated: float, weights: Prior) -> float:
    """Beta of our MMSEpb that does what ``stated`` does in eq. (13), in every reading.

    Eq. (13) takes mu as 0, ours has mu + s_w^2 beta in its place. So lambda' = 1, ``stated`` = 0 is ML.
    """
    return stated - weights.mean / weights.var


PRESETS = {
    "as-written": Preset("as-written", "variance", "clean variance", "training", "validation examples"),
    "as-coded": Preset("as-coded", "mean square", "clean variance", "first of training, augmented", "test examples"),
    "audited": Preset("audited", "variance", "blind", "unseen", "validation examples"),
}


def switches() -> dict[str, Preset]:
    """The audit with one field at a time as the text or the code has it: what each deviation alone is worth.

    ``power`` is left out: it renames the points of the axis.
    """
    audited = PRESETS["audited"]
    made: dict[str, Preset] = {}
    for other in (PRESETS["as-written"], PRESETS["as-coded"]):
        for field in ("prior", "examples", "chosen_on"):
            value = getattr(other, field)
            if value != getattr(audited, field):
                name = f"{field.replace('_', ' ')}: {value}"
                made[name] = replace(audited, name=name, **{field: value})
    return made
