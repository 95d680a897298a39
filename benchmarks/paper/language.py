"""A causal language model through noise, scored by perplexity: a small GPT-2, trained here on the sentences of SST-2.

    python benchmarks/paper/language.py [--data DIR] [--folder FOLDER] [--out benchmarks/records/paper/language]

    perplexity = exp(mean negative log-likelihood of the next token [nat]),    without noise P_0: told as P / P_0

The denoising paper has no language model. This one has tied embeddings (they travel once), LayerNorms (reliable) and
no running statistics. Its byte-pair tokens are learnt from the training sentences; the epoch is chosen on the
validation sentences, the test sentences are read by the scenario only. FOLDER keeps it as Hugging Face does (config,
safetensors, tokenizer), so that ``lm:FOLDER`` is a model of `analognn run`; it is made if it is not there. One thread.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from commands import RECORDS, arguments, finished, heading, publish
from torch import nn
from torch.nn import functional as F

from analognn import Evaluator, data, models, progress
from analognn.estimates import estimate
from analognn.evaluate import IGNORED
from analognn.experiments import Denoising, Medium, Record, Scenario, Store
from analognn.experiments.record import receptions
from analognn.experiments.scenario import CLEAN

SEED, EPOCHS, BATCH, RATE, DECAY = 0, 5, 32, 2e-3, 0.1
VOCABULARY, END = 1_000, "<end>"
SIZE = {"n_positions": 64, "n_embd": 128, "n_layer": 3, "n_head": 4}


def tokenizer(sentences: Sequence[str]) -> Any:
    """Byte pairs of ``sentences``, as transformers' tokenizer."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    pairs = ByteLevelBPETokenizer()
    pairs.train_from_iterator(sentences, vocab_size=VOCABULARY, special_tokens=[END], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=pairs._tokenizer, eos_token=END, bos_token=END, pad_token=END)


def fresh() -> nn.Module:
    """The network before training."""
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        model: nn.Module = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, **SIZE))
    return model


def train(folder: Path, data_dir: Path | None) -> None:
    """Write tokenizer and network into ``folder``."""
    splits = data.load("sst2", data_dir=data_dir)
    model: Any = fresh()
    for part in (tokenizer(splits.train.inputs), model):
        part.save_pretrained(folder)
    spec = models.spec(f"lm:{folder}")
    tokens, labels = spec.prepare(splits.train)
    validation = Evaluator(*spec.prepare(splits.validation), device="cpu")
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=DECAY)
    best, weights = math.inf, copy.deepcopy(model)
    with progress.bar("training", "epochs") as report, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)  # dropout
        for epoch in range(EPOCHS):
            one_pass(model, optimiser, tokens, labels, epoch)
            loss = validation(model.eval()).loss
            if loss < best:
                best, weights = loss, copy.deepcopy(model)
            report(epoch + 1, EPOCHS)
    weights.save_pretrained(folder)


def one_pass(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    tokens: dict[str, torch.Tensor],
    labels: torch.Tensor,
    epoch: int,
) -> None:
    """Every sentence once, in an order of its epoch; the rate falls as a cosine."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SEED + epoch)).split(BATCH)
    model.train()
    for step, batch in enumerate(order):
        at = (epoch + step / len(order)) / EPOCHS
        for group in optimiser.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * at))
        logits = model(**{name: value[batch] for name, value in tokens.items()}).logits
        optimiser.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), labels[batch].flatten(), ignore_index=IGNORED).backward()
        optimiser.step()


def scenario(folder: Path) -> Scenario:
    """What the network goes through."""
    return Scenario(
        name="language",
        summary="A causal language model through ideal noise, phase-change memory and number formats.",
        model=f"lm:{folder}",
        seeds=5,
        test_examples=500,
        media={
            "awgn": Medium("awgn", {"wnr_db": [6.0, 9.0, 12.0]}),
            "pcm": Medium("pcm", {"t_inference": 86_400.0}),
        },
        denoiser=Denoising(
            names=("ml", "mmse", "mmse@tensor", "mmsepb"),
            kappa=100,
            lambda_primes=(0.8, 0.9, 1.0, 1.1),
            betas=(-2.0, 0.0, 2.0),
        ),
    )


def report(store: Store) -> Iterator[str]:
    """The table: perplexity relative to the clean network, geometric mean over draws, paired against ML."""
    records = store.records()
    (clean,) = (nats(record) for record in records if record.medium == CLEAN)
    yield from heading("A language model by perplexity", "paper/language.py")
    yield from (
        f"GPT-2 of {SIZE['n_layer']} layers, {SIZE['n_embd']} wide, {VOCABULARY:,} byte-pair tokens; perplexity "
        f"{math.exp(clean):.1f} on {store.scenario.test_examples} test sentences without noise. Geometric means over "
        f"{store.scenario.seeds} noise "
        "draws with 95 % intervals (t, on the logarithm). Relative to ML: paired over draws, below 1 is better.",
        "",
        "| medium | point | WNR dB | receiver | perplexity, relative to clean | relative to ML |",
        "|---|---|---:|---|---:|---:|",
    )  # fmt: skip
    for at in dict.fromkeys((draw.medium, draw.point) for draw in receptions(store.scenario) if draw.medium != CLEAN):
        yield from _rows([record for record in records if (record.medium, record.point) == at], clean)
    yield ""


def _rows(records: Sequence[Record], clean: float) -> Iterator[str]:
    """Those of one point."""
    by_name: dict[str, dict[int, float]] = {}
    for record in sorted(records, key=lambda record: record.key):
        by_name.setdefault(record.denoiser, {})[record.seed] = nats(record)
    wnr = estimate([record.wnr_db for record in records if record.denoiser == "ml" and record.wnr_db is not None]).mean
    at = f"{records[0].medium} | {records[0].point.strip('{}')} | {wnr:.1f}"
    for name, draws in sorted(by_name.items(), key=lambda item: item[0] != "ml"):
        over_clean = _ratio([own - clean for own in draws.values()])
        over_ml = "" if name == "ml" else _ratio([own - by_name["ml"][seed] for seed, own in draws.items()])
        yield f"| {at} | `{name}` | {over_clean} | {over_ml} |"


def nats(record: Record) -> float:
    """Mean negative log-likelihood of a token [nat]."""
    if record.loss_sum is None:
        raise ValueError("the records of this run hold no loss; run it again")
    return record.loss_sum / record.total


def _ratio(logarithms: Sequence[float]) -> str:
    found = estimate(logarithms)
    if found.low is None or found.high is None:
        return f"{math.exp(found.mean):.2f}"
    return f"{math.exp(found.mean):.2f} ({math.exp(found.low):.2f} to {math.exp(found.high):.2f})"


def main() -> None:
    """Train if need be, run what is missing, write the report."""
    torch.set_num_threads(1)
    parser = arguments(__doc__, RECORDS / "language")
    parser.add_argument("--folder", type=Path, default=Path("runs/sst2-gpt2"), help="of the language model")
    options = parser.parse_args()
    if not (options.folder / "model.safetensors").is_file():
        train(options.folder, options.data)
    finished(scenario(options.folder), options.out, data_dir=options.data)
    publish(options.out / "REPORT.md", "\n".join(report(Store(options.out))))


if __name__ == "__main__":
    main()
