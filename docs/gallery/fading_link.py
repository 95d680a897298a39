r"""
A fading link, inverted or equalised
====================================

The same TDL-A channel at the same :math:`E_s/N_0`. A transmitter that knows it inverts it and leaves white Gaussian
noise; a receiver that divides by it afterwards gets noise that differs from weight to weight. A certificate tells them
apart.
"""

import torch

from analognn import ChannelBackend, ParameterLayout, models
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
# The trained weights go through both, ten times, and what arrives is held against AWGN.

model = models.load("mnist-resnet8")
packed = ParameterLayout.from_model(model).pack(model)
certificates = {}
for name, link in (("inverted", inverted), ("equalised", equalised)):
    certificates[name] = certify(packed, ChannelBackend(link), seeds=range(4))
    noise = certificates[name].whole
    print(f"{name:10} WNR {noise.wnr_db:5.1f} dB, excess kurtosis {noise.excess_kurtosis:.1f}")
    print("           fails:", ", ".join(c.name for c in certificates[name].checks if not c.ok) or "nothing")

# %%
# Equalisation is no AWGN of one variance: some weights come through a deep fade and carry far more noise than others. The
# receiver knows which, and that is worth using: MMSE with the noise of each weight is MMSE equalisation. Per weight, in
# units of what each was told, the noise is Gaussian again.

figure = picture(certificates["equalised"], title="TDL-A, equalised")
figure
