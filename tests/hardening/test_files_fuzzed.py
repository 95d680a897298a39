"""Checkpoints, recorded channels and device tables: read as they are, or refused by the name of the file."""

import io

import numpy as np
import pytest
import torch
from fuzzing import QUICK, answered, damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from analognn import checkpoints
from analognn.channels.trace import load_trace
from analognn.federated import State
from analognn.hardware.measured import COLUMNS, read_table

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool)
SPECIAL = (0.0, 1.0, float("nan"), float("inf"), 1e300)


def model():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


CHECKPOINT = save({name: tensor.contiguous() for name, tensor in model().state_dict().items()})
STATE = save({"model.w": torch.ones(3), "memory.c": torch.ones(1), "state": torch.tensor([2, 0])})
TABLE = (",".join(COLUMNS) + "\n" + "\n".join(f"{5 * i},.5,.05,.01,.2" for i in range(6)) + "\n").encode()


def recording():
    file = io.BytesIO()
    np.savez(file, a=np.ones((3, 2, 4), complex), tau=np.array([1e-7, 3e-7]), sampling_frequency=1e3)
    return file.getvalue()


READERS = {
    "model.safetensors": (CHECKPOINT, lambda path: checkpoints.load(model(), path)),
    "state.safetensors": (STATE, State.load),
    "channel.npz": (recording(), load_trace),
    "device.csv": (TABLE, lambda path: read_table(str(path))),
}


@pytest.mark.parametrize("name", READERS)
@settings(QUICK, max_examples=80)
@given(data=st.data())
def test_damaged_bytes(name, data, tmp_path_factory):
    content, read = READERS[name]
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(data.draw(damaged(content)))
    answered(lambda: read(path), naming=(name,))


@settings(QUICK, max_examples=60)
@given(st.data())
def test_tensors_of_any_kind(tmp_path_factory, data):
    """What loads is finite and of the model's own types."""
    state = dict(model().state_dict())
    for name in data.draw(st.lists(st.sampled_from([*state, "extra"]), min_size=1, max_size=3)):
        shape = data.draw(st.sampled_from([None, (), (0,), (1,), (2,), (2, 3)]))
        shape = state[name].shape if shape is None and name in state else shape or ()
        state[name] = torch.full(shape, data.draw(st.sampled_from(SPECIAL)), dtype=torch.float64).to(
            data.draw(st.sampled_from(DTYPES))
        )
    path = tmp_path_factory.mktemp("tensors") / "model.safetensors"
    path.write_bytes(save(state))
    loaded = model()
    answered(lambda: checkpoints.load(loaded, path), naming=("model.safetensors",))
    for tensor in loaded.state_dict().values():
        assert torch.isfinite(tensor).all()


@settings(QUICK, max_examples=60)
@given(st.data())
def test_entries_of_any_kind(tmp_path_factory, data):
    """What loads is a channel with a finite power."""
    arrays = {"a": np.ones((3, 2, 4), complex), "tau": np.array([1e-7, 3e-7]), "sampling_frequency": np.array(1e3)}
    kinds = ["c8", "c16", "c32", "f2", "f4", "f8", "i8", "u2", "?", "U3", "M8[s]"]
    for name in data.draw(st.lists(st.sampled_from(sorted(arrays)), min_size=1, max_size=2)):
        shape = data.draw(st.sampled_from([None, (), (0,), (1, 1), (3, 2), (3, 2, 1), (3, 1, 1, 1, 1, 2, 4)]))
        value = data.draw(st.sampled_from([0, 1, 1e-200, 1e-9, 1e30, 1e300, float("nan"), float("inf")]))
        with np.errstate(all="ignore"):
            full = np.full(arrays[name].shape if shape is None else shape, value)
            kind = data.draw(st.sampled_from(kinds))
            arrays[name] = full.astype("i8").astype(kind) if kind == "M8[s]" else full.astype(kind)
    path = tmp_path_factory.mktemp("entries") / "channel.npz"
    np.savez(path, **arrays)
    trace = answered(lambda: load_trace(path), naming=("channel.npz",))
    if trace is not None:
        assert 0 < trace.mean_power < float("inf")
        torch.as_tensor(trace.a), torch.as_tensor(trace.tau)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "cannot be read"),
        (",".join(COLUMNS).encode() + b"\n" + b"1" * 200_000, "cannot be read: field larger than field limit"),
        (TABLE.replace(b"25,", b"1e300,"), r"line 7 has conductance='1e300', at most 1e\+06"),
    ],
)
def test_tables_that_were_found_to_fail(content, message, tmp_path):
    (tmp_path / "device.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(str(tmp_path / "device.csv"))
    with pytest.raises(ValueError, match=r"`Measured\(table=3\)` cannot be read"):
        read_table(3)
