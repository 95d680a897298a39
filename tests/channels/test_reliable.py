"""The reliable path: every bit arrives, the checksum decides, and the cost is counted."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from analognn.channels.ldpc import MAX_PAYLOAD, Mcs, codec, into_blocks, num_symbols, uncoded
from analognn.channels.qam import EqualisedLink
from analognn.channels.reliable import DeliveryError, Ideal, Ldpc, ReliablePath, Repetition, from_bits, to_bits

SMALL = {"fft_size": 64, "num_guard_carriers": (5, 6), "cyclic_prefix_length": 8}
PER_SLOT = 52 * 14  # data and pilot positions of a SMALL slot


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_norm() -> dict[str, Tensor]:
    """What a model sends: float32 parameters and statistics, an int64 counter of no dimension."""
    module = nn.BatchNorm2d(24)
    module(torch.randn(4, 24, 3, 3, generator=generator(7)))
    return dict(module.state_dict())


def same(sent: dict[str, Tensor], received: dict[str, Tensor]) -> bool:
    return list(sent) == list(received) and all(
        (a.dtype, a.shape) == (b.dtype, b.shape) and torch.equal(a, b)
        for a, b in zip(sent.values(), received.values(), strict=True)
    )


PATHS = [
    Ideal(),
    Ldpc(10.0, "tdl-a", **SMALL),
    Ldpc(10.0, "rayleigh", **SMALL),
    Ldpc(0.0, "tdl-c", speed=30.0, **SMALL),
    Ldpc(12.0, "awgn", bits_per_symbol=4, coderate=0.6, **SMALL),
    Ldpc(3.0, "rayleigh", num_rx=4, **SMALL),
    Repetition(10.0, "tdl-a", **SMALL),
    Repetition(10.0, "rayleigh", decision="hard", **SMALL),
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path)[:40])
def test_tensors_arrive_bit_for_bit_and_seeds_decide(path: ReliablePath) -> None:
    sent, state = batch_norm(), torch.get_rng_state()
    received, usage = path.deliver(sent, generator=generator())
    assert same(sent, received)
    assert usage.side_info_bits == (4 * 24 * 4 + 8) * 8
    again, same_usage = path.deliver(sent, generator=generator())
    assert same(again, received)
    assert same_usage == usage
    assert torch.equal(torch.get_rng_state(), state)


def test_any_dtype_travels_as_its_bytes() -> None:
    values = torch.randn(5, generator=generator())
    dtypes = (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.int64, torch.bool, torch.complex64)
    sent = {str(dtype): values.to(dtype) for dtype in dtypes}
    sent |= {"nan": torch.tensor([torch.nan, torch.inf, -0.0]), "transposed": torch.arange(6).view(2, 3).T}
    sent |= {"empty": torch.empty(0, 3)}
    back = from_bits(to_bits(sent), sent)
    assert all(torch.equal(to_bits({"": sent[name]}), to_bits({"": back[name]})) for name in sent)
    assert back["transposed"].tolist() == sent["transposed"].tolist()
    assert Ideal().deliver({"empty": torch.empty(0)}, generator=generator())[1].side_info_bits == 0


def test_the_cost_is_that_of_the_code() -> None:
    """One block of 16-QAM at rate 1/2, energy 1 a symbol on average and 1 a pilot."""
    bits = torch.randint(2, (1000,), generator=generator(), dtype=torch.uint8)
    received, usage = Ldpc(30.0, "awgn", **SMALL).carry(bits, generator=generator())
    assert torch.equal(received, bits)
    assert num_symbols(1024, Mcs(4, 0.5)) == 512
    assert (usage.channel_uses, usage.retransmissions) == (PER_SLOT, 0)  # 512 of 624 data positions
    assert usage.energy - 2 * 52 == pytest.approx(512, rel=5 * 0.57 / 512**0.5)  # |s|^2 of 16-QAM varies by 0.57
    _, repeated = Repetition(30.0, "awgn", times=3, **SMALL).carry(bits, generator=generator())
    assert repeated.energy - 3 * 2 * 52 == pytest.approx(3 * 4 * (250 + 24) / 2)  # 4 blocks of QPSK, 3 times


@pytest.mark.parametrize(
    ("path", "size", "broken"),
    [
        (Ldpc(40.0, "awgn", bits_per_symbol=10, coderate=0.92, **SMALL), MAX_PAYLOAD, 300),
        (Repetition(30.0, "awgn", times=1, **SMALL), 256, 1),
    ],
)
def test_a_corrupted_block_fails_its_checksum_and_is_sent_again(
    path: Ldpc | Repetition, size: int, broken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The air turns some symbols of the first block once; without the check the wrong bits would be delivered."""
    bits = torch.randint(2, (3 * size,), generator=generator(), dtype=torch.uint8)
    genuine, calls = EqualisedLink.send, []

    def destroys_once(self: EqualisedLink, s: Tensor, gains: Tensor, *, generator: torch.Generator) -> tuple:
        s_hat, no = genuine(self, s, gains, generator=generator)
        if not calls:
            s_hat[:broken] *= -0.5
        calls.append(len(s))
        return s_hat, no

    monkeypatch.setattr(EqualisedLink, "send", destroys_once)
    received, usage = path.carry(bits, generator=generator())
    assert torch.equal(received, bits)
    assert usage.retransmissions == 1
    assert len(calls) == 2


def test_the_checksum_sees_one_wrong_bit_and_an_all_zero_word() -> None:
    blocks = uncoded(100, "cpu")
    payload = torch.randint(2, (2, 100), generator=generator(), dtype=torch.uint8)
    s = blocks.encode(payload)
    llr = blocks.llr(s, torch.full(s.shape, 0.1))
    assert blocks.decode(llr)[1].tolist() == [True, True]
    llr[1, 17] *= -1
    assert blocks.decode(llr)[1].tolist() == [True, False]
    assert blocks.decode(-torch.ones(1, 124))[1].tolist() == [False]


def test_a_hopeless_channel_is_a_clear_error() -> None:
    message = (
        "`Ldpc` gave up: 1 of 1 blocks still fail their checksum after max_rounds = 4 at esn0_db = -30 over tdl-a, "
        "as QPSK rate 0.333. Raise esn0_db or max_rounds, give it more antennas (num_rx), or take"
    )
    with pytest.raises(DeliveryError, match=re.escape(message)):
        Ldpc(-30.0, max_rounds=4, **SMALL).deliver(batch_norm(), generator=generator())
    with pytest.raises(DeliveryError, match="QPSK with every bit 5 times a round, soft decision. .* raise times"):
        Repetition(-30.0, max_rounds=2, **SMALL).deliver(batch_norm(), generator=generator())


def test_a_lower_scheme_follows_and_its_rounds_add_up() -> None:
    """At -6 dB one round of QPSK 1/3 holds less information than it needs; several together do not."""
    bits = torch.randint(2, (2000,), generator=generator(), dtype=torch.uint8)
    path = Ldpc(-6.0, "awgn", bits_per_symbol=2, coderate=1 / 3, **SMALL)
    assert path.schemes == (Mcs(2, 1 / 3),)
    received, usage = path.carry(bits, generator=generator())
    assert torch.equal(received, bits)
    assert 2 <= usage.retransmissions <= 6
    assert [str(scheme) for scheme in Ldpc(30.0, bits_per_symbol=8, coderate=0.75).schemes] == [
        "256-QAM rate 0.75", "64-QAM rate 0.75", "16-QAM rate 0.75", "QPSK rate 0.75", "QPSK rate 0.333",
    ]  # fmt: skip
    assert [str(scheme) for scheme in Ldpc(5.0).schemes] == ["QPSK rate 0.5", "QPSK rate 0.333"]


def test_noise_and_gain_of_the_equalised_link() -> None:
    """s_hat - s has the variance reported; 5 standard errors, and zero and doubled noise fail."""
    link = EqualisedLink(7.0, "tdl-a", **SMALL)
    n = 20_000
    s = torch.ones(n, dtype=torch.complex64)
    gains = link.gains(n, device="cpu", generator=generator())
    s_hat, no = link.send(s, gains, generator=generator(1))
    ratio = float(((s_hat - s).abs().square() / no).mean())
    for factor, passes in ((1, True), (0, False), (2, False)):
        assert (abs(factor * ratio - 1) <= 5 / n**0.5) is passes
    assert float((link.no / no).sort().values.sub(gains.sort().values).abs().max()) < 1e-4
    four = EqualisedLink(7.0, "rayleigh", num_rx=4, **SMALL)
    assert float(four.gains(100 * 624, device="cpu", generator=generator()).mean()) == pytest.approx(4, abs=5 * 0.2)


@pytest.mark.parametrize(
    ("payload", "bits_per_symbol", "coderate"),
    [(1, 2, 1 / 3), (1, 10, 0.92), (64, 6, 0.5), (270, 8, 0.92), (4000, 4, 1 / 3), (MAX_PAYLOAD, 10, 0.92)],
)
def test_every_size_and_rate_has_a_code(payload: int, bits_per_symbol: int, coderate: float) -> None:
    blocks = codec(payload, Mcs(bits_per_symbol, coderate), "cpu")
    sent = torch.randint(2, (1, payload), generator=generator(), dtype=torch.uint8)
    s = blocks.encode(sent)
    assert s.shape == (1, num_symbols(payload + 24, Mcs(bits_per_symbol, coderate)))
    received, ok = blocks.decode(blocks.llr(s, torch.full(s.shape, 1e-3)))
    assert bool(ok)
    assert torch.equal(received, sent)


def test_blocks_are_few_and_alike() -> None:
    assert into_blocks(torch.zeros(MAX_PAYLOAD + 1)).shape == (2, MAX_PAYLOAD // 2 + 1)
    assert into_blocks(torch.zeros(101), limit=256, multiple=2).shape == (1, 102)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ldpc(torch.nan), "`Ldpc(esn0_db=...)` must be a finite number; got nan"),
        (lambda: Ldpc(10.0, bits_per_symbol=3), "must be 2, 4, 6, 8 or 10; got 3"),
        (lambda: Ldpc(10.0, coderate=0.95), "`Mcs(coderate=...)` must be a finite number"),
        (lambda: Ldpc(10.0, max_rounds=0), "`Ldpc(max_rounds=...)` must be an integer >= 1; got 0"),
        (lambda: Ldpc(10.0, "tdl-z"), "must be one of"),
        (lambda: Repetition(10.0, times=0), "`Repetition(times=...)` must be an integer >= 1; got 0"),
        (lambda: Repetition(10.0, decision="medium"), "must be one of soft, hard"),
    ],
)
def test_bad_parameters(make: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        make()


def test_lists_from_a_file_are_taken_as_tuples() -> None:
    assert Ldpc(10.0, pilot_symbols=[2, 11]) == Ldpc(10.0)
