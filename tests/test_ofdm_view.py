"""The view of an OFDM link shows what the link does, and the command draws it."""

import pytest
import torch
from click.testing import CliRunner

from analognn.channels import Ofdm
from analognn.cli import main
from analognn.ofdm_view import view


def look(seed=0, **parameters):
    return view(Ofdm(**parameters), generator=torch.Generator().manual_seed(seed))


def error(seen):
    """Mean |r - s|^2 where something was sent."""
    return float((seen.after - seen.sent)[~seen.silent].abs().square().mean(dtype=torch.float64))


@pytest.mark.parametrize(
    "parameters",
    [
        {"model": "tdl-a", "speed": 30.0},
        {"model": "rayleigh", "num_rx": 2},
        {"model": "tdl-b", "num_tx": 2},
        {"model": "tdl-c", "precoder": "equalise"},
        {"model": "tdl-a", "domain": "time"},
    ],
)
def test_symbols_return_without_noise_and_fade_without_precoder(parameters):
    seen = look(esn0_db=60.0, **parameters)
    assert error(seen) < 1e-3 < 0.1 < float((seen.before - seen.sent).abs().square().mean())
    assert seen.gain.shape == seen.sent.shape == (32, 14, 820)


def test_silence_is_where_the_channel_is_below_the_threshold():
    seen = look(esn0_db=10.0, model="tdl-a", threshold=0.3)
    assert torch.equal(seen.silent, seen.gain < 0.3)
    assert seen.outage == pytest.approx(float((seen.gain < 0.3).float().mean()))


def test_noise_after_inversion_is_what_the_power_scale_says():
    seen = look(esn0_db=10.0, model="tdl-a", threshold=0.3)
    mean_power = float(torch.where(seen.silent, 0, 1 / seen.gain).mean(dtype=torch.float64))
    count = int((~seen.silent).sum())
    assert error(seen) == pytest.approx(
        0.1 * mean_power, rel=5 / count**0.5
    )  # |n|^2 is exponential: se = mean / sqrt(n)
    assert seen.noise_var == pytest.approx(seen.received.split.total, rel=5 * (2 / 200_000) ** 0.5)


def test_a_link_that_is_silent_everywhere_is_an_error():
    with pytest.raises(ValueError, match=r"lower threshold|leave at least"):
        look(esn0_db=10.0, model="awgn", threshold=2.0)


def test_the_command_draws_a_picture_and_names_it(tmp_path):
    out = tmp_path / "channel.png"
    outcome = CliRunner().invoke(main, ["show", "channel", "--set", "model=tdl-a", "--out", str(out)])
    assert outcome.exit_code == 0, outcome.output
    assert out.read_bytes().startswith(b"\x89PNG")
    assert outcome.output == f"Picture: {out}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pcm"], "draws OFDM links; 'pcm' is none"),
        (["--set", "modle=tdl-a"], "no parameter 'modle'"),
        (["--out", "channel.jpg"], "must be a .png file"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    outcome = CliRunner().invoke(main, ["show", "channel", *arguments])
    assert outcome.exit_code == 2
    assert message in outcome.output
    assert outcome.output.count("\n") == 1
