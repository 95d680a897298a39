r"""
The surface of (lambda', beta)
==============================

MMSEpb has two compensators, and labelled examples choose them. Here is what they choose from.
"""

import torch

from analognn import Evaluator, Ml, Mmse, ParameterLayout, Prior, backends, data, fast_search, grid_search, models
from analognn.plots_search import surface

model, spec = models.load("mnist-resnet8"), models.spec("mnist-resnet8")
splits = data.load(spec.dataset)
validation = Evaluator(*spec.prepare(splits.validation.take(slice(100))), device="cpu")
test = Evaluator(*spec.prepare(splits.test), device="cpu")

layout = ParameterLayout.from_model(model)
packed = layout.pack(model)
received = backends.create("awgn", wnr_db=3.0).receive(packed, generator=torch.Generator().manual_seed(0))
prior = Prior.from_received(received)

# %%
# Every pair of the grid is tried on 100 validation images. :math:`\lambda' = 1, \beta = 0` is ML when the prior's mean
# is 0, and the whole row of :math:`\lambda' = 0` shrinks as MMSE does.

lambda_primes = [0.0, 0.4, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4]
betas = [-6.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0]
search = grid_search(model, layout, received, prior, validation, lambda_primes=lambda_primes, betas=betas)
best = search.best.lambda_prime, search.best.beta
figure = surface(search.surface.tolist(), lambda_primes, betas, best)
figure

# %%
# The surface is a ridge: with less :math:`\lambda'` goes more :math:`\beta`. Along its top the pairs differ by less
# than the 4 points of standard error that 100 examples leave, so part of what the best pair gains here is luck. On test
# data:

for denoiser in (Ml(), Mmse(), search.best):
    score = test(layout.unpack(denoiser(received, prior), model))
    print(f"{score.accuracy:.1%}  {denoiser}")

# %%
# :func:`~analognn.search.fast_search` evaluates a coarse grid, forecasts the rest and follows the forecast. On a ridge
# as rough as this one it may stop below the top; ``exact=True`` rules out every other pair and costs more passes.

fast, exact = (
    fast_search(model, layout, received, prior, validation, lambda_primes=lambda_primes, betas=betas, exact=proof)
    for proof in (False, True)
)
for found in (search, fast, exact):
    print(f"{found.best_score.correct} of {found.best_score.total} in {found.evaluations:.0f} passes: {found.best}")
