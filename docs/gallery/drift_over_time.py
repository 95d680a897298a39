r"""
A crossbar over a year
======================

Phase-change memory loses conductance as :math:`t^{-\nu}`. Without compensation that is a gain, and the network is lost
within an hour; with it, what stays is noise that grows slowly.
"""

import torch
from matplotlib import pyplot as plt

from analognn import Evaluator, ParameterLayout, data, effective_noise, models
from analognn.hardware import Pcm
from analognn.plots import STYLES, tidy

model, spec = models.load("mnist-resnet8"), models.spec("mnist-resnet8")
test = Evaluator(*spec.prepare(data.load(spec.dataset).test.take(slice(500))), device="cpu")
layout = ParameterLayout.from_model(model)
packed = layout.pack(model)

# %%
# A crossbar is programmed once and read at several times. The three compensations see the same devices: the seed is the
# same, and compensation draws nothing.

times = {"0 s": 0.0, "1 min": 60.0, "1 h": 3600.0, "1 d": 86400.0, "1 month": 30 * 86400.0, "1 year": 365 * 86400.0}
media = {name: Pcm(drift_compensation=name) for name in ("none", "global", "per-column")}
readings = {
    name: medium.receive_at(packed, list(times.values()), generator=torch.Generator().manual_seed(0))
    for name, medium in media.items()
}
for label, reading in zip(times, readings["none"], strict=True):
    print(f"{label:8} gain {effective_noise(packed.vector, reading).gain:.2f}")

# %%
# Left: the effective WNR hardly depends on the compensation, because it is measured at unit gain. Right: the network
# does, because its weights come with the gain.

figure, panels = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for (name, read), (color, marker), size in zip(readings.items(), STYLES, (5, 10, 5), strict=False):
    noise = [effective_noise(packed.vector, reading) for reading in read]
    accuracy = [test(layout.unpack(reading.values, model)).accuracy for reading in read]
    panels[0].plot(list(times), [n.wnr_db for n in noise], color=color, marker=marker, markersize=size)
    panels[1].plot(list(times), accuracy, color=color, marker=marker, markersize=size, label=name)
panels[0].set(xlabel="time since programming", ylabel="effective WNR [dB]")
panels[1].set(xlabel="time since programming", ylabel="test accuracy", ylim=(0, 1.02))
panels[1].legend(title="drift compensation", frameon=False, loc="lower left")
for panel in panels:
    tidy(panel)
figure
