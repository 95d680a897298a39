"""The affine form gives what rewritten weights give, layer by layer and model by model, within its memory bound."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from analognn import Evaluator, MmsePb, ParameterLayout, Prior, models
from analognn.affine import AffineFamily, affine_logits, affine_scores, is_affine
from analognn.channels import Awgn, Received
from analognn.evaluate import Execution

PAIRS = [(0.0, 0.0), (0.9, -2.0), (1.05, 1.0), (1.0, 4.0)]


class Classifier(nn.Module):
    """Tokens to classes: an embedding shared with nothing, a transformer encoder, a mean."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 5)

    def forward(self, tokens, mask):
        x = self.encoder(self.embedding(tokens), src_key_padding_mask=mask)
        return self.head(x.masked_fill(mask[..., None], 0.0).mean(1))


class SelfMade(nn.Module):
    """Pre-norm attention by hand, tied output weights, a learned position code that is analog by policy."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        self.position = nn.Parameter(torch.randn(7, 16))
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(16, 48, bias=False)
        self.out = nn.Linear(16, 16)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        x = x + self.out(torch.softmax(q @ k.transpose(-1, -2) / 4, -1) @ v)
        return F.linear(x.mean(1), self.embedding.weight)


class Convolutions(nn.Module):
    """Every kind of convolution once."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 3, padding="same", dilation=2, groups=8, bias=False),
            nn.ReLU(),
            nn.Conv2d(8, 6, (1, 3), padding=(0, 1), padding_mode="reflect"),
            nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
            nn.Flatten(2),
            nn.Conv1d(4, 3, 5, stride=3),
            nn.Flatten(),
            nn.LazyLinear(5),
        )

    def forward(self, x):
        return self.layers(x)


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval()


def shufflenet():
    from torchvision.models import shufflenet_v2_x0_5

    return shufflenet_v2_x0_5(num_classes=10)


def inputs(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def tokens(classes, *shape):
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(1))


def convolutions():
    model = Convolutions()
    model(torch.zeros(1, 4, 12, 12))
    return model


CASES = {
    "resnet8": lambda: (models.load("mnist-resnet8"), inputs(20, 1, 28, 28), None),
    "shufflenet": lambda: (seeded(shufflenet), inputs(6, 3, 64, 64), None),
    "convolutions": lambda: (seeded(convolutions), inputs(6, 4, 12, 12), None),
    "transformer": lambda: (
        seeded(Classifier),
        {"tokens": tokens(50, 9, 7), "mask": (torch.arange(7) > torch.arange(9)[:, None] % 5 + 2)},
        None,
    ),
    "by hand": lambda: (seeded(SelfMade), tokens(20, 9, 7), {"position": "analog"} | {SelfMade: "analog"}),
}


def problem(case, *, noise_var=None):
    model, batch, policy = CASES[case]()
    layout = ParameterLayout.from_model(model, policy=policy)
    vector = layout.pack(model).vector
    noise_var = noise_var or 0.3 * float(vector.var())
    received = Awgn(noise_var=noise_var).transmit(vector, generator=torch.Generator().manual_seed(2))
    count = len(batch["tokens"] if isinstance(batch, dict) else batch)
    evaluator = Evaluator(batch, torch.arange(count) % 5, device="cpu", batch_size=7)
    return model, layout, received, Prior.from_received(received), evaluator


def rewritten(model, layout, vectors, evaluator):
    return torch.stack([evaluator.logits(layout.unpack(vector, model)) for vector in vectors])


@pytest.mark.parametrize("case", CASES)
def test_logits_equal_those_of_rewritten_weights(case):
    model, layout, received, prior, evaluator = problem(case)
    family = AffineFamily.mmsepb(received, prior, PAIRS)
    vectors = [MmsePb(*pair)(received, prior) for pair in PAIRS]
    for index, vector in enumerate(vectors):
        torch.testing.assert_close(family.candidate(index, layout), vector)
    expected = rewritten(model, layout, vectors, evaluator)
    got = affine_logits(model, layout, family, evaluator)
    scale = expected.abs().amax((1, 2), keepdim=True)
    torch.testing.assert_close(got / scale, expected / scale, rtol=0, atol=2e-5)
    assert (expected[0] - expected[1]).abs().max() > 1e-2 * scale.max()  # the candidates do differ


@pytest.mark.parametrize("case", ["resnet8", "convolutions", "by hand"])
def test_a_gain_and_an_offset_per_tensor(case):
    model, layout, received, _, evaluator = problem(case)
    shape = (3, len(layout.slots))
    theta = 1.0 + 0.2 * inputs(*shape)
    rho = 0.05 * received.values.std() * inputs(*shape).flip(0)
    family = AffineFamily(received.values, theta, rho)
    expected = rewritten(model, layout, [family.candidate(g, layout) for g in range(3)], evaluator)
    got = affine_logits(model, layout, family, evaluator)
    scale = expected.abs().amax((1, 2), keepdim=True)
    torch.testing.assert_close(got / scale, expected / scale, rtol=0, atol=2e-5)


def test_several_draws_in_one_call_equal_the_loop():
    model, layout, received, prior, evaluator = problem("resnet8")
    again = Awgn(noise_var=received.noise_var).transmit(
        layout.pack(model).vector, generator=torch.Generator().manual_seed(3)
    )
    draws = [received, again]
    families = [AffineFamily.mmsepb(draw, prior, PAIRS) for draw in draws]
    for draw, scores in zip(draws, affine_scores(model, layout, families, evaluator), strict=True):
        expected = [evaluator(layout.unpack(MmsePb(*pair)(draw, prior), model)) for pair in PAIRS]
        assert [(s.correct, s.total) for s in scores] == [(s.correct, s.total) for s in expected]
        assert [s.loss for s in scores] == pytest.approx([s.loss for s in expected], rel=1e-4)


def test_the_memory_bound_changes_nothing_but_the_batches(monkeypatch):
    model, layout, received, prior, evaluator = problem("resnet8")
    family = AffineFamily.mmsepb(received, prior, PAIRS)
    sizes = []
    whole = affine_logits(model, layout, family, evaluator)
    forward = type(model).forward
    monkeypatch.setattr(type(model), "forward", lambda self, x: sizes.append(len(x)) or forward(self, x))
    few = affine_logits(model, layout, family, evaluator, max_bytes=1)
    torch.testing.assert_close(few, whole, rtol=1e-4, atol=1e-4)
    assert set(sizes) == {1}
    assert len(sizes) == 2 + len(PAIRS) * len(evaluator)  # the check, then every pair alone


def test_nothing_given_is_changed_and_no_random_number_is_drawn():
    model, layout, received, prior, evaluator = problem("resnet8")
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    values = received.values.clone()
    affine_scores(model.train(), layout, [AffineFamily.mmsepb(received, prior, PAIRS)], evaluator)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(received.values, values)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_without_noise_every_candidate_is_the_clean_model():
    model, layout, _, prior, evaluator = problem("resnet8")
    clean = Received(layout.pack(model).vector, 0.0, "exact")
    family = AffineFamily.mmsepb(clean, prior, PAIRS)
    assert (family.theta.tolist(), family.rho.tolist()) == ([1.0] * 4, [0.0] * 4)
    assert len(set(affine_scores(model, layout, [family], evaluator)[0])) == 1


class Hidden(nn.Linear):
    """Calls its kernel as compiled code would, past every interception."""

    def forward(self, x):
        with torch._C.DisableTorchFunction():
            return F.linear(x, self.weight, self.bias)


def test_a_model_that_hides_its_weights_is_refused():
    model = seeded(lambda: Hidden(6, 4))
    layout = ParameterLayout.from_model(model)
    family = AffineFamily(layout.pack(model).vector, torch.ones(2), torch.zeros(2))
    evaluator = Evaluator(inputs(5, 6), torch.zeros(5, dtype=torch.long), device="cpu")
    with pytest.raises(ValueError, match=r"Hidden reaches its weights where Python cannot follow.*route='loop'"):
        affine_logits(model, layout, family, evaluator)


def test_bad_families_are_refused():
    model, layout, received, prior, evaluator = problem("resnet8")
    per_weight = Received(received.values, received.values.abs(), "exact")
    assert is_affine(received)
    assert not is_affine(per_weight)
    with pytest.raises(ValueError, match="needs one noise variance for all weights; got 74522"):
        AffineFamily.mmsepb(per_weight, prior, PAIRS)
    with pytest.raises(ValueError, match=r"theta, rho .G. or .G, T.; got .74522., .2. and .3."):
        AffineFamily(received.values, torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match="at least one candidate; got none"):
        AffineFamily(received.values, torch.ones(0), torch.ones(0))
    with pytest.raises(ValueError, match="one column per tensor, 9; got 2"):
        affine_logits(model, layout, AffineFamily(received.values, torch.ones(1, 2), torch.ones(1, 2)), evaluator)
    family = AffineFamily.mmsepb(received, prior, PAIRS)
    compiled = Evaluator(
        inputs(1, 1, 28, 28), torch.zeros(1, dtype=torch.long), device="cpu", execution=Execution(compiled=True)
    )
    with pytest.raises(ValueError, match="one model at a time"):
        affine_logits(model, layout, family, compiled)
    with pytest.raises(ValueError, match="max_bytes=...\\)` must be an integer >= 1; got 0"):
        affine_logits(model, layout, family, evaluator, max_bytes=0)
