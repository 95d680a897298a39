r"""
The effective noise of a medium
===============================

A crossbar, a quantiser and ideal noise, reduced to the same few numbers: gain, WNR, shape.
"""

import math

import torch
from matplotlib import pyplot as plt

from analognn import ParameterLayout, backends, effective_noise, effective_noise_per_tensor, models
from analognn.plots import STYLES, tidy

model = models.load("mnist-resnet8")
packed = ParameterLayout.from_model(model).pack(model)
media = {
    "ideal noise": backends.create("awgn", wnr_db=15.0),
    "PCM after a day": backends.create("pcm", t_inference=86400.0),
    "int3 in each tensor": backends.create("quantised-per-tensor", format="int3"),
}

# %%
# Each medium returns a :class:`~analognn.channels.Received`. With the true weights at hand, which only an emulation
# has, :func:`~analognn.effective.effective_noise` says what happened.

received = {name: medium.receive(packed, generator=torch.Generator().manual_seed(0)) for name, medium in media.items()}
for name, values in received.items():
    noise = effective_noise(packed.vector, values)
    print(
        f"{name:20} gain {noise.gain:.3f}  WNR {noise.wnr_db:4.1f} dB  "
        f"excess kurtosis {noise.excess_kurtosis:z5.1f}  corr(|z|, |w|) {noise.magnitude_corr:5.2f}"
    )

# %%
# Within about a dB of WNR they differ in shape. Left: the noise of all weights in units of its own standard
# deviation, beside a Gaussian. Right: each tensor has a WNR of its own, which one global number hides. Ideal noise
# has one variance for all, so there it follows the spread of the weights. The noise of a crossbar goes with the
# largest weight of a tile, so tensors with a few large weights get more of it; the last tensor, a bias, stays digital
# and gets none.

figure, (histogram, layers) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
x = torch.linspace(-5, 5, 201)
histogram.semilogy(x, torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi), color="0.4", label="Gaussian")
for (name, values), (color, marker) in zip(received.items(), STYLES, strict=False):
    z = values.values - packed.vector
    density = torch.histogram(z / z.std(), bins=60, range=(-5.0, 5.0), density=True)
    middles = (density.bin_edges[1:] + density.bin_edges[:-1]) / 2
    histogram.semilogy(middles, density.hist, color=color, drawstyle="steps-mid", label=name)
    tensors = effective_noise_per_tensor(packed, values)
    wnr_db = [noise.wnr_db if math.isfinite(noise.wnr_db) else math.nan for noise in tensors.values()]
    layers.plot(wnr_db, color=color, marker=marker, linestyle="none", label=name)
histogram.set(ylim=(1e-4, 1e2), xlabel="noise / its standard deviation", ylabel="probability density")
layers.set(xlabel="tensor, from input to output", ylabel="WNR [dB]")
histogram.legend(frameon=False, loc="upper left")
for panel in (histogram, layers):
    tidy(panel)
figure
