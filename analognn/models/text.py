"""Text models: Hugging Face's classifiers and causal language models, from a folder or the hub, with their tokenizers.

    inputs = tokenizer(sentences): {"input_ids", "attention_mask", ...} [n, tokens]
    class = argmax model(inputs).logits,    or next token: label_t = input_ids_{t + 1}, IGNORED where there is none

Attention, feed-forward and embedding weights are analog, LayerNorms travel reliably (:mod:`analognn.packing`). Weights
come from safetensors files only, code never: nothing is unpickled and no remote code runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from analognn import data
from analognn.channels import checks
from analognn.evaluate import IGNORED

Task = Literal["classify", "continue"]
TASKS: dict[str, Task] = {"hf:": "classify", "lm:": "continue"}
"""What the models of a prefix do."""
MAX_TOKENS = 64
"""Longer sentences are cut; the longest of SST-2 has 66 tokens of BERT's."""
_CLASSES = {"classify": "AutoModelForSequenceClassification", "continue": "AutoModelForCausalLM"}


@dataclass(frozen=True)
class TextModel:
    """One text model; see :class:`analognn.models.ModelSpec`.

    Args:
        name: what :func:`analognn.models.load` takes.
        summary: one line.
        source: a folder with config.json, model.safetensors and tokenizer.json, relative to ``models/`` in the data
            folder if there is one, or else a name on the hub.
        task: "classify" sentences, or "continue" them token by token.
        dataset: name of the data set that it answers.
        max_tokens: longer sentences are cut, >= 2.
    """

    name: str
    summary: str
    source: str
    task: Task = "classify"
    dataset: str = "sst2"
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        checks.integer("TextModel", "max_tokens", self.max_tokens, ge=2)

    @classmethod
    def from_name(cls, name: str) -> TextModel:
        """The model called "hf:SOURCE" or "lm:SOURCE", a folder or a name on the hub.

        Raises:
            ValueError: an empty source.
        """
        prefix, source = name[:3], name[3:]
        if not source:
            raise ValueError(
                f"{prefix!r} needs a folder or a name on the Hugging Face hub behind it, as {prefix + './mine'!r}."
            )
        return cls(name, f"Hugging Face model {source}", source, TASKS[prefix])

    def prepare(
        self, examples: data.Examples, *, data_dir: str | Path | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Tokens [n, tokens] and labels, [n] or [n, tokens]; see :meth:`analognn.models.ModelSpec.prepare`."""
        if isinstance(examples.inputs, Tensor):
            raise TypeError(f"`{self.name}` takes texts; got a tensor {list(examples.inputs.shape)}.")
        tokenizer = self._read("AutoTokenizer", data.root(data_dir))
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token  # what a mask hides may be anything
        tokenizer.padding_side = "right"
        tokens = dict(
            tokenizer(
                list(examples.inputs),
                truncation=True,
                max_length=self.max_tokens,
                padding="longest",
                return_tensors="pt",
            )
        )
        return tokens, examples.labels if self.task == "classify" else _next_tokens(**tokens)

    def build(self, where: data.Root) -> nn.Module:
        """The network with fresh weights from PyTorch's global generator."""
        auto = getattr(_transformers(self.name), _CLASSES[self.task])
        model: nn.Module = auto.from_config(self._read("AutoConfig", where))
        return model

    def load(self, where: data.Root, *, download: bool) -> nn.Module:
        """The network with its trained weights in float32, checked against its tokenizer and the data's labels.

        Raises:
            ValueError: weights for another task, labels coded otherwise, or a tokenizer with more tokens than the model
                has embeddings.
            FileNotFoundError: not there, or not downloaded.
        """
        options = {"dtype": "float32", "use_safetensors": True, "output_loading_info": True}
        model, info = self._read(_CLASSES[self.task], where, download=download, **options)
        if missing := sorted(info["missing_keys"]):
            raise ValueError(
                f"{self.source!r} has no weights for what {self.name!r} should do: {missing[0]!r} is missing. "
                "Fine-tune it first, or choose a model that was."
            )
        if self.task == "classify":
            _check_labels(self, model.config.id2label)
        tokenizer = self._read("AutoTokenizer", where, download=download)
        _check_vocabulary(self, len(tokenizer), model.get_input_embeddings().weight.shape[0])
        loaded: nn.Module = model
        return loaded

    def _read(self, auto: str, where: data.Root, *, download: bool = False, **options: Any) -> Any:
        """What transformers' class ``auto`` makes of the source; the network is asked only to download."""
        folder = where.path / "models" / self.source
        place = str(folder) if folder.is_dir() else self.source
        with _quiet(_transformers(self.name)) as transformers:
            try:
                return getattr(transformers, auto).from_pretrained(place, local_files_only=not download, **options)
            except OSError as error:
                reason = str(error).partition("\n")[0]
                raise where.missing(f"{self.name!r} ({reason})", f"models/{self.source}/", download=True) from error


def _next_tokens(input_ids: Tensor, attention_mask: Tensor, **_: Tensor) -> Tensor:
    """[n, tokens]: what follows each token, IGNORED after the last one."""
    following = input_ids.roll(-1, dims=1).masked_fill(attention_mask.roll(-1, dims=1) == 0, IGNORED)
    following[:, -1] = IGNORED
    return following


def _check_labels(entry: TextModel, names: dict[int, str]) -> None:
    """The data call negative 0 and positive 1; names that say nothing ("LABEL_0") are taken at their number."""
    coded = [names[index].lower() for index in sorted(names)]
    if len(coded) != 2 or coded[0].startswith("pos") or coded[1].startswith("neg"):
        raise ValueError(
            f"`{entry.name}` answers {', '.join(f'{i} = {names[i]}' for i in sorted(names))}, but {entry.dataset} has "
            "0 = negative, 1 = positive. Choose a classifier with these two labels in this order."
        )


def _check_vocabulary(entry: TextModel, tokens: int, embeddings: int) -> None:
    if tokens > embeddings:
        raise ValueError(
            f"The tokenizer of {entry.name!r} knows {tokens} tokens, the model embeds {embeddings}: they do not belong "
            "together. Put the tokenizer.json that came with the weights beside them."
        )


def _transformers(name: str) -> Any:
    try:
        with torch.random.fork_rng(devices=[]):
            import transformers
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"`{name}` needs transformers: pip install 'analognn[transformers]'.", name="transformers"
        ) from None
    return transformers


@contextmanager
def _quiet(transformers: Any) -> Iterator[Any]:
    """No progress bars and no report of missing keys while loading: what is wrong is raised."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        transformers.logging.set_verbosity(verbosity)
        transformers.logging.enable_progress_bar()


TEXT_MODELS = (
    TextModel(
        name="sst2-minilm",
        summary="BERT of 6 layers (MiniLM) fine-tuned on SST-2, 88.85 %; needs transformers, bring your own weights",
        source="minilm-sst2",
    ),
)
