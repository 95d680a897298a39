r"""
A fading link, inverted or equalised
====================================

The same TDL-A channel at the same :math:`E_s/N_0`. A transmitter that knows it inverts it and leaves white Gaussian
noise; a receiver that divides by it afterwards gets noise that differs from weight to weight. A certificate tells them
apart.
"""

import torch

from analognn import ChannelBackend, Evaluator, ParameterLayout, data, models
from analognn.certificate import certify
from analognn.channels import Ofdm
from analognn.ofdm_view import view
from analognn.plots_certificate import picture
from analognn.plots_wireless import channel

inverted = Ofdm(esn0_db=15.0, model="tdl-a", threshold=0.1)
equalised = Ofdm(esn0_db=15.0, model="tdl-a", precoder="equalise", interleave=True)

# %%
# What the transmitter sees: :math:`|h|^2` over time and frequency, silent where it is below a tenth of its mean, and a
# constellation sent as it is and precoded.

figure = channel(view(inverted, generator=torch.Generator().manual_seed(0)), title="TDL-A, truncated inversion")
figure

# %%
# The trained weights go through both, four times, and what arrives is held against AWGN.

model, spec = models.load("mnist-resnet8"), models.spec("mnist-resnet8")
test = Evaluator(*spec.prepare(data.load(spec.dataset).test.take(slice(300))), device="cpu")
layout = ParameterLayout.from_model(model)
packed = layout.pack(model)
certificates = {}
for name, link in (("inverted", inverted), ("equalised", equalised)):
    certificates[name] = certify(
        packed, ChannelBackend(link), score=lambda values: test(layout.unpack(values, model)), seeds=range(4)
    )
    noise = certificates[name].whole
    print(f"{name:10} WNR {noise.wnr_db:5.1f} dB, excess kurtosis {noise.excess_kurtosis:.1f}")
    print("           fails:", ", ".join(c.name for c in certificates[name].checks if not c.ok) or "nothing")

# %%
# Equalisation is no AWGN of one variance: some weights come through a deep fade and carry far more noise than others.

figure = picture(certificates["equalised"], title="TDL-A, equalised")
figure

# %%
# The receiver knows which: ``noise_var`` comes for each weight, and in units of it the noise is Gaussian again. MMSE
# with the noise of each weight is MMSE equalisation.

received = equalised.transmit(packed.vector, generator=torch.Generator().manual_seed(0))
z = received.values - packed.vector
for name, noise in (("as it is", z), ("in units of what was told", z / received.noise_var_per_value.sqrt())):
    kurtosis = (noise / noise.std()).pow(4).mean() - 3
    print(f"excess kurtosis {kurtosis:6.1f}  {name}")
