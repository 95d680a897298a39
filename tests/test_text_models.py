"""Hugging Face models: loaded from a folder, checked against tokenizer and labels, and taken the whole way."""

import json
import math
import shutil
import sys
from pathlib import Path

import pytest
import torch

from analognn import Evaluator, ParameterLayout, Scenario, data, models, run

transformers = pytest.importorskip("transformers")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "bad", "film", "not", "at", "all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with SST-2 in miniature, a BERT that counts good and bad words, and a GPT-2."""
    root = tmp_path_factory.mktemp("data")
    (root / "sst2").mkdir()
    lines = ["1\ta good film", "0\ta bad film", "1\tgood", "0\tnot bad bad at all", "1\tgood good", "0\tbad"] * 4
    for part in ("train", "dev", "test"):
        (root / "sst2" / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    tokenizer = _tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        for name, model in (("bert", _bert()), ("gpt2", _gpt2())):
            model.save_pretrained(root / "models" / name)
            tokenizer.save_pretrained(root / "models" / name)
    return root


def _tokenizer():
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    raw = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    raw.pre_tokenizer = Whitespace()
    raw.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def _bert():
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, **small)
    return transformers.BertForSequenceClassification(config)


def _gpt2():
    config = transformers.GPT2Config(vocab_size=len(WORDS), n_positions=16, n_embd=16, n_layer=1, n_head=2)
    return transformers.GPT2LMHeadModel(config)


def test_a_classifier_from_a_folder_answers_as_transformers_does(folder: Path) -> None:
    rng = torch.random.get_rng_state()
    ours, spec = models.load("hf:bert", data_dir=folder), models.spec("hf:bert")
    assert torch.equal(torch.random.get_rng_state(), rng)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "models" / "bert").eval()
    test = data.load("sst2", data_dir=folder).test
    tokens, labels = spec.prepare(test, data_dir=folder)
    assert tokens["input_ids"][0].tolist() == [2, 4, 5, 7, 3, 0, 0]
    assert torch.equal(labels, test.labels)
    with torch.no_grad():
        expected = torch.cat([theirs(**_tokenizer()(s, return_tensors="pt")).logits for s in test.inputs])
    assert torch.allclose(Evaluator(tokens, labels, device="cpu").logits(ours), expected, atol=1e-6)


def test_layer_norms_are_reliable_and_the_rest_is_analog(folder: Path) -> None:
    bert = ParameterLayout.from_model(models.load("hf:bert", data_dir=folder))
    assert all("LayerNorm" in name for name in bert.reliable_names if "position_ids" not in name)
    assert any("word_embeddings" in name for name in bert.analog_names)
    gpt2 = ParameterLayout.from_model(models.load("lm:gpt2", data_dir=folder))
    assert "transformer.h.0.attn.c_attn.weight" in gpt2.analog_names  # a Conv1D of transformers
    assert {name for name in gpt2.reliable_names if name.endswith("weight")} == {
        "transformer.h.0.ln_1.weight",
        "transformer.h.0.ln_2.weight",
        "transformer.ln_f.weight",
    }
    (embedding,) = (slot for slot in gpt2.slots if "wte" in slot.name)
    assert embedding.aliases == ("lm_head.weight",)  # tied: travels once


def test_a_language_model_is_scored_by_the_perplexity_that_transformers_report(folder: Path) -> None:
    model, spec = models.load("lm:gpt2", data_dir=folder), models.spec("lm:gpt2")
    test = data.load("sst2", data_dir=folder).test.take(slice(0, 5))
    score = Evaluator(*spec.prepare(test, data_dir=folder), device="cpu", batch_size=2)(model)
    nll, tokens = 0.0, 0
    for sentence in test.inputs:
        ids = _tokenizer()(sentence, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            nll += float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        tokens += ids.shape[1] - 1
    assert score.total == tokens
    assert score.perplexity == pytest.approx(math.exp(nll / tokens), rel=1e-5)


@pytest.mark.parametrize("model", ["hf:bert", "lm:gpt2"])
def test_the_whole_way(model: str, folder: Path, tmp_path: Path) -> None:
    text = f"""
    name = "text"
    model = "{model}"
    seeds = 2
    test_examples = 6
    [media.awgn]
    wnr_db = [0.0, 60.0]
    [denoiser]
    names = ["ml", "mmsepb", "protect"]
    kappa = 8
    lambda_primes = [0.9, 1.0]
    betas = [0.0]
    """
    result = run(Scenario.from_toml(text), tmp_path / "run", data_dir=folder, workers=1)
    assert not result.failures
    accuracy = {(e.point["wnr_db"], e.denoiser): e.accuracy.mean for e in result.summary.entries}
    assert accuracy[60.0, "ml"] == pytest.approx(result.summary.clean)
    assert len(accuracy) == 6


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'hf:' needs a folder or a name"):
        models.spec("hf:")
    with pytest.raises(FileNotFoundError, match=r"'hf:nobody/nothing' .* not found"):
        models.load("hf:nobody/nothing", data_dir=folder)
    with pytest.raises(ValueError, match=r"has no weights for what 'hf:gpt2' should do: 'score.weight' is missing"):
        models.load("hf:gpt2", data_dir=folder)
    with pytest.raises(TypeError, match=r"takes texts; got a tensor"):
        models.spec("hf:bert").prepare(data.load("mnist5k").test.take(slice(2)))
    with pytest.raises(TypeError, match=r"takes images; got 24 texts"):
        models.spec("mnist-resnet8").prepare(data.load("sst2", data_dir=folder).test)


def test_labels_coded_otherwise_and_a_foreign_tokenizer_are_refused(folder: Path, tmp_path: Path) -> None:
    changed = tmp_path / "models" / "bert"
    shutil.copytree(folder / "models" / "bert", changed)
    config = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps(config | {"id2label": {"0": "POSITIVE", "1": "NEGATIVE"}}))
    with pytest.raises(ValueError, match=r"answers 0 = POSITIVE, 1 = NEGATIVE, but sst2 has 0 = negative"):
        models.load("hf:bert", data_dir=tmp_path)
    (changed / "config.json").write_text(json.dumps(config))
    tokenizer = _tokenizer()
    tokenizer.add_tokens(["unseen"])
    tokenizer.save_pretrained(changed)
    with pytest.raises(ValueError, match=r"knows 12 tokens, the model embeds 11: they do not belong together"):
        models.load("hf:bert", data_dir=tmp_path)


def test_without_transformers_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'analognn\[transformers\]'"):
        models.load("hf:bert", data_dir=folder)
