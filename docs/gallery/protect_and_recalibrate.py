r"""
Protect and recalibrate
=======================

Noise on the weights hurts a network with batch norm mostly through the statistics that it expects. First what noise
does to them, then two ways to put it right.
"""

import torch
from matplotlib import pyplot as plt

from analognn import Evaluator, ParameterLayout, Prior, backends, data, models
from analognn.plots import STYLES, tidy
from analognn.receiver import Delivery, measure, receiver

model, spec = models.load("mnist-resnet8"), models.spec("mnist-resnet8")
splits = data.load(spec.dataset)
inputs, _ = spec.prepare(splits.train.take(slice(300)))
unlabelled, _ = spec.prepare(splits.validation.take(slice(200)))
test = Evaluator(*spec.prepare(splits.test.take(slice(500))), device="cpu")
layout = ParameterLayout.from_model(model)
packed = layout.pack(model)


def arrived(wnr_db: float, seed: int) -> Delivery:
    """What the receiver holds after one noise draw, with the batch norms as they were sent."""
    medium = backends.create("awgn", wnr_db=wnr_db)
    received = medium.receive(packed, generator=torch.Generator().manual_seed(seed))
    return Delivery.arrived(model, layout, received, Prior.from_received(received))


# %%
# The inputs of the batch norms, channel by channel: what they expect (their running mean, in units of their running
# standard deviation) against what they get. Without noise both agree; at 3 dB the mean of a channel is off by up to
# most of its own standard deviation.


def standardised_means(network: torch.nn.Module) -> torch.Tensor:
    """(E[y] - running mean) / running deviation of every channel of every batch norm."""
    found: list[torch.Tensor] = []

    def look(norm: torch.nn.Module, args: tuple[torch.Tensor]) -> None:
        found.append((args[0].mean((0, 2, 3)) - norm.running_mean) / norm.running_var.sqrt())

    hooks = [m.register_forward_pre_hook(look) for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        network(unlabelled)
    for hook in hooks:
        hook.remove()
    return torch.cat(found)


figure, panel = plt.subplots(figsize=(7, 3.5), layout="constrained")
for (label, network), (color, _) in zip(
    (("as sent", model), ("9 dB", arrived(9.0, 0).model), ("3 dB", arrived(3.0, 0).model)), STYLES, strict=False
):
    panel.hist(
        standardised_means(network),
        bins=41,
        range=(-1.5, 1.5),
        histtype="step",
        linewidth=1.5,
        color=color,
        label=label,
    )
panel.set(xlabel="(mean of a channel - its running mean) / its running deviation", ylabel="channels")
panel.legend(frameon=False)
tidy(panel)
figure

# %%
# ``protect`` asks the transmitter for the weights along the strongest directions of each layer's input, the first of
# which is nearly its mean: no noise is left along them. ``recalibrate`` measures the statistics again on inputs of the
# receiver's own. What each used is booked.

side = measure(model, layout, inputs, directions=4)
names = ["ml", "mmse", "recalibrate", "protect", "protect+recalibrate"]
for name in names:
    delivery = arrived(3.0, 0)
    held = Delivery(**{**vars(delivery), "side": side, "unlabelled": unlabelled})
    result = receiver(name)(held)
    spent = f"{result.spent.side_info_bits:6} bits, {result.spent.unlabelled:3} inputs"
    print(f"{name:20} {spent}  {test(result.model).accuracy:.1%}")

# %%
# Over the noise, mean of three draws:

points = [0.0, 3.0, 6.0, 9.0]
figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
for name, (color, marker) in zip(names, STYLES, strict=False):
    accuracy = []
    for wnr_db in points:
        held = [Delivery(**{**vars(arrived(wnr_db, s)), "side": side, "unlabelled": unlabelled}) for s in range(3)]
        accuracy.append(sum(test(receiver(name)(delivery).model).accuracy for delivery in held) / 3)
    panel.plot(points, accuracy, color=color, marker=marker, label=name)
panel.set(xlabel="WNR [dB]", ylabel="test accuracy", xticks=points)
panel.legend(frameon=False)
tidy(panel)
figure
