"""Text models: Hugging Face's classifiers of sentences, from a folder or the hub, with their own tokenizer.

    {"input_ids", "attention_mask", ...} [n, tokens] = tokenizer(sentences),    class = argmax model(...).logits

Attention, feed-forward and embedding weights are analog, LayerNorms travel reliably (:mod:`analognn.packing`). Weights
come from safetensors files only, code never: nothing is unpickled and no remote code runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from analognn import data
from analognn.channels import checks

HUGGING_FACE = "hf:"
MAX_TOKENS = 64
"""Longer sentences are cut; the longest of SST-2 has 66 tokens of BERT's."""
_NEGATIVE, _POSITIVE = ("negative", "neg"), ("positive", "pos")


@dataclass(frozen=True)
class TextModel:
    """One text model; see :class:`analognn.models.ModelSpec`.

    Args:
        name: what :func:`analognn.models.load` takes.
        summary: one line.
        source: a folder with config.json, model.safetensors and tokenizer.json, relative to ``models/`` in the data
            folder if there is one, or else a name on the hub.
        dataset: name of the data set that it answers.
        max_tokens: longer sentences are cut, >= 2.
    """

    name: str
    summary: str
    source: str
    dataset: str = "sst2"
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        checks.integer("TextModel", "max_tokens", self.max_tokens, ge=2)

    @classmethod
    def from_source(cls, source: str) -> TextModel:
        """The classifier in a folder or on the hub.

        Raises:
            ValueError: an empty source.
        """
        if not source:
            raise ValueError("`hf:` needs a folder or a name on the Hugging Face hub behind it, as in 'hf:./my-bert'.")
        return cls(HUGGING_FACE + source, f"Hugging Face classifier {source}", source)

    def prepare(self, inputs: data.Raw, *, data_dir: str | Path | None = None) -> dict[str, Tensor]:
        """Sentences to keyword inputs [n, tokens], int64, padded to the longest of them.

        Raises:
            TypeError: images.
            FileNotFoundError: no tokenizer there.
        """
        if isinstance(inputs, Tensor):
            raise TypeError(f"`{self.name}` takes texts; got a tensor {list(inputs.shape)}.")
        tokenizer = self._read("AutoTokenizer", data.root(data_dir))
        tokens = tokenizer(
            list(inputs), truncation=True, max_length=self.max_tokens, padding="longest", return_tensors="pt"
        )
        return dict(tokens)

    def build(self, where: data.Root) -> nn.Module:
        """The classifier with fresh weights from PyTorch's global generator."""
        transformers = _transformers(self.name)
        model: nn.Module = transformers.AutoModelForSequenceClassification.from_config(self._read("AutoConfig", where))
        return model

    def load(self, where: data.Root, *, download: bool) -> nn.Module:
        """The classifier with its trained weights in float32, checked against its tokenizer and the data's labels.

        Raises:
            ValueError: weights for another task, labels coded otherwise, or a tokenizer with more tokens than the model
                has embeddings.
            FileNotFoundError: not there, or not downloaded.
        """
        options = {"dtype": "float32", "use_safetensors": True, "output_loading_info": True}
        model, info = self._read("AutoModelForSequenceClassification", where, download=download, **options)
        tokenizer = self._read("AutoTokenizer", where, download=download)
        if missing := sorted(info["missing_keys"]):
            raise ValueError(
                f"{self.source!r} is no trained classifier of sentences: its weights lack {missing[0]!r}. Fine-tune it "
                f"on {self.dataset} first, or choose one that is."
            )
        _check_labels(self, model.config.id2label)
        _check_vocabulary(self, len(tokenizer), model.get_input_embeddings().weight.shape[0])
        loaded: nn.Module = model
        return loaded

    def _read(self, auto: str, where: data.Root, *, download: bool = False, **options: Any) -> Any:
        """What transformers' class ``auto`` makes of the source; the network is asked only to download."""
        place = self._place(where)
        with _quiet(_transformers(self.name)) as transformers:
            try:
                return getattr(transformers, auto).from_pretrained(place, local_files_only=not download, **options)
            except OSError as error:
                reason = str(error).partition("\n")[0]
                raise where.missing(f"{self.name!r} ({reason})", f"models/{self.source}/", download=True) from error

    def _place(self, where: data.Root) -> str:
        folder = where.path / "models" / self.source
        return str(folder) if folder.is_dir() else self.source


def _check_labels(entry: TextModel, names: dict[int, str]) -> None:
    """The data call negative 0 and positive 1; names that say nothing ("LABEL_0") are taken at their number."""
    coded = [names[index].lower() for index in sorted(names)]
    if len(coded) != 2 or coded[0] in _POSITIVE or coded[1] in _NEGATIVE:
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
        import transformers
    except ModuleNotFoundError:
        raise ValueError(f"`{name}` needs transformers: pip install 'analognn[transformers]'.") from None
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
