"""Small networks with statistics of their own, and deliveries made from them."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from analognn import ChannelBackend, ParameterLayout, Prior
from analognn.channels import Awgn
from analognn.receiver import Delivery, Labelled, Oracle, measure, noise_tables
from analognn.receiver.statistics import recalibrate


class Residual(nn.Module):
    """Two batch-normalised convolutions with a shortcut around the second, written against the order of running."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)
        self.norm2 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, groups=2, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv1 = nn.Conv2d(2, 6, 3, stride=2, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(x)))
        x = x + torch.relu(self.norm2(self.conv2(x)))
        return self.head(x.mean((2, 3)))


class Plain(nn.Module):
    """A LayerNorm network: linear layers with biases and no running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 16)
        self.norm = nn.LayerNorm(16)
        self.second = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.norm(self.first(x))))


def smooth_images(n: int, seed: int = 0) -> Tensor:
    """Images [n, 2, 8, 8] with a mean and neighbouring pixels alike, as real ones have."""
    noise = torch.randn(n, 2, 10, 10, generator=torch.Generator().manual_seed(seed))
    return nn.functional.avg_pool2d(noise, 3, 1) * 3 + 0.7


def built(make) -> nn.Module:
    """A network of that class with fixed weights and, where it keeps any, the statistics of 400 inputs."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = make().eval()
    if make is Residual:
        for norm in (model.norm1, model.norm2):
            norm.weight.data.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(2))
        recalibrate(model, smooth_images(400))
    return model


def delivery(model: nn.Module, inputs: Tensor, *, wnr_db: float = 6.0, seed: int = 3) -> Delivery:
    """``model`` through AWGN, with everything a receiver may hold; labels are the clean model's answers."""
    layout = ParameterLayout.from_model(model)
    weights = layout.pack(model).vector
    backend, generator = ChannelBackend(Awgn(wnr_db=wnr_db)), torch.Generator().manual_seed(seed)
    received = backend.receive(layout.pack(model), generator=generator)
    with torch.no_grad():
        labelled = Labelled(inputs[:100], model(inputs[:100]).argmax(1))
    return replace(
        Delivery.arrived(model, layout, received, Prior.from_received(received)),
        side=measure(model, layout, inputs),
        unlabelled=inputs[100:200],
        labelled=labelled,
        calibration=noise_tables(backend, received, layout, generator=generator),
        oracle=Oracle(weights, labelled.evaluator),
    )
