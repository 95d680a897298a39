import pytest
import torch
from crossbar_helpers import check_variance, generator, least_squares, pack
from torch import nn

from analognn import backends
from analognn.hardware import Measured, Pcm
from analognn.hardware.measured import COLUMNS, Table, read_table

HEADER = ",".join(COLUMNS)


def write(tmp_path, *rows, header=HEADER):
    path = tmp_path / "device.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def pcm_like(tmp_path):
    """The programming noise and mean drift of the PCM-like model as a table; read noise of 2 % of the conductance."""
    rows = []
    for i in range(51):
        x = i / 50
        log = float(torch.tensor(max(x, 1e-7)).log())
        nu = min(max(-0.0155 * log + 0.0244, 0.049), 0.1)
        std = min(max(-0.0125 * log - 0.0059, 0.008), 0.045)
        rows.append(f"{25 * x},{0.26348 + 1.965 * x - 1.1731 * x**2},{nu},{std},{0.02 * 25 * x}")
    return write(tmp_path, *rows)


def test_interpolation_is_linear_and_flat_outside():
    table = Table((1.0, 2.0, 4.0), (0.0, 1.0, 5.0), *[(0.0, 0.0, 0.0)] * 3)
    g = torch.tensor([[0.0, 1.0, 1.5], [2.0, 3.0, 9.0]])
    assert torch.equal(table.at("prog_sigma", g), torch.tensor([[0.0, 0.0, 0.5], [1.0, 3.0, 5.0]]))


def test_a_table_of_the_pcm_model_gives_its_noise(tmp_path):
    packed = pack(nn.Linear(256, 256, bias=False))
    table = pcm_like(tmp_path)
    for t in (0.0, 86400.0):
        gains, variances = [], []
        for medium in (Pcm(read_noise_scale=0.0), Measured(table=table, read_noise_scale=0.0)):
            received = medium.receive_at(packed, (t,), generator=generator())[0]
            gain, residual = least_squares(packed.vector, received.values)
            gains.append(gain)
            variances.append(float(residual.square().mean()))
            check_variance(residual, float(torch.as_tensor(received.noise_var)[0]), bias=0.1)
        assert gains[0] == pytest.approx(gains[1], abs=0.01)
        # Standard error of each variance sqrt(3 / 65536) = 0.7 %; interpolation adds a little.
        assert variances[0] == pytest.approx(variances[1], rel=0.05)


def test_read_noise_is_in_microsiemens(tmp_path):
    packed = pack(nn.Linear(256, 256, bias=False))
    table = write(tmp_path, "0,0,0,0,0", "10,0,0,0,1")
    received = Measured(table=table, drift_compensation="none").receive(packed, generator=generator())
    z = (received.values - packed.vector) / packed.vector  # sigma = G / 10 for the device that holds the weight
    assert float(z.double().square().mean().sqrt()) == pytest.approx(0.1, rel=4 * (0.5 / z.numel()) ** 0.5)


def test_by_name(tmp_path):
    medium = backends.create("measured-table", table=pcm_like(tmp_path), g_max=20.0)
    assert isinstance(medium, Measured)
    assert hash(medium) == hash(Measured(table=medium.table, g_max=20.0))


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("conductance,noise", ["0,1", "1,1"], f"needs the header {HEADER}; got conductance,noise"),
        (HEADER, ["0,1,0,0,0"], r"needs at least 2 rows below the header; got 1"),
        (HEADER, ["0,1,0,0,0", "5,1,0,0,0", "5,1,0,0,0"], r"conductances that rise; row 3 has 5 after 5\. Sort it"),
        (HEADER, ["5,1,0,0,0", "0,1,0,0,0"], r"conductances that rise; row 2 has 0 after 5"),
        (HEADER, ["0,1,0,0,0", "5,-1,0,0,0"], r"finite numbers >= 0; line 3 has prog_sigma='-1'"),
        (HEADER, ["0,1,nan,0,0", "5,1,0,0,0"], r"finite numbers >= 0; line 2 has drift_nu='nan'"),
        (HEADER, ["0,1,0,0", "5,1,0,0,0"], r"finite numbers >= 0; line 2 has read_sigma=None"),
        (HEADER, ["0,1,low,0,0", "5,1,0,0,0"], r"line 2 has drift_nu='low'"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, header, rows, message):
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path, *rows, header=header))


def test_a_missing_table_and_a_conductance_beyond_it(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read: .*No such file"):
        Measured(table=str(tmp_path / "nowhere.csv"))
    with pytest.raises(
        ValueError, match=r"`Measured\(g_max=\.\.\.\)` must be a finite number > 0 and <= 25; got 30\.0"
    ):
        Measured(table=pcm_like(tmp_path), g_max=30.0)
