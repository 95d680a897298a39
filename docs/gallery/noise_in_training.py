r"""
Noise in training
=================

A small network without batch norm, trained twice from the same start: plainly, and with fresh noise on its weights in
every step. Which one bears noise at inference?
"""

import torch
from matplotlib import pyplot as plt
from torch import nn

from analognn import Evaluator, ParameterLayout, backends, data
from analognn.plots import STYLES, tidy
from analognn.training import noisy_weights

splits = data.load("mnist5k")


def prepared(part: data.Examples) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels about 0, flat."""
    return part.inputs.flatten(1).float() / 255 - 0.13, part.labels


inputs, labels = prepared(splits.train)
test = Evaluator(*prepared(splits.test), device="cpu")

# %%
# In a loop of one's own it is one line: forward and backward inside the block, the optimiser's step after it. The noise
# variance follows the weights, at a WNR of 0 dB.


def trained(wnr_db: float | None) -> nn.Module:
    """A network after ten epochs."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    optimiser = torch.optim.Adam(network.parameters(), lr=4e-3)
    medium = backends.create("awgn", noise_var=0.0) if wnr_db is None else backends.create("awgn", wnr_db=wnr_db)
    for _ in range(10):
        for batch in torch.randperm(len(inputs), generator=generator).split(100):
            optimiser.zero_grad()
            with noisy_weights(network, medium, generator=generator):
                nn.functional.cross_entropy(network(inputs[batch]), labels[batch]).backward()
            optimiser.step()
    return network


networks = {"trained plainly": trained(None), "trained with noise": trained(0.0)}

# %%
# Both through ideal noise, five draws a point. Noise is relative to each network's own weights, so larger weights are
# no way out.

points = [-6.0, -3.0, 0.0, 3.0, 6.0, 12.0]
figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, network), (color, marker) in zip(networks.items(), STYLES, strict=False):
    layout = ParameterLayout.from_model(network)
    packed = layout.pack(network)
    scores = torch.empty(len(points), 5)
    for i, wnr_db in enumerate(points):
        medium = backends.create("awgn", wnr_db=wnr_db)
        for seed in range(5):
            noisy = medium.receive(packed, generator=torch.Generator().manual_seed(seed))
            scores[i, seed] = test(layout.unpack(noisy.values, network)).accuracy
    panel.errorbar(points, scores.mean(1), scores.std(1), color=color, marker=marker, capsize=3, label=name)
    print(f"{name:18}  clean {test(network).accuracy:.1%}, at 0 dB {scores[2].mean():.1%}")
panel.set(xlabel="WNR [dB]", ylabel="test accuracy (mean and deviation of draws)")
panel.legend(frameon=False)
tidy(panel)
figure
