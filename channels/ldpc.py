"""Code blocks of the 5G shared channel: bits to QAM symbols, and noisy symbols to checked bits.

    payload -> CRC24A -> scramble -> LDPC(k, n) -> QAM        n = m ceil(k / (coderate m)), m bits a symbol
    s_hat, no -> LLR -> LDPC decoder -> descramble -> CRC     Sionna's blocks throughout

3GPP TS 38.212 sec. 5.1 (CRC), 5.3.2 and 5.4.2 (LDPC, rate matching); TS 38.211 sec. 5.1 (QAM), 5.2.1 (scrambling).
Scrambled after the CRC: a decoder that collapses to the all-zero word then fails the check, which zeros would pass; and
runs of equal bits do not end up on the weakest points of the constellation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from . import checks
from .seeding import seeded

CRC = "CRC24A"
CRC_BITS = 24
MAX_PAYLOAD = 8448 - CRC_BITS
"""Bits a code block carries at most: the largest lifting of base graph 1, less its checksum."""
BLOCKS_PER_BATCH = 16
"""Larger batches were slower per block on a CPU, and cost memory."""
NUM_ITER = (8, 20)
"""Offset min-sum iterations: a few for all blocks, more for those that fail. The second step is worth 1.5 dB; 20
iterations of sum-product corrected no more."""
RATES = (1 / 3, 0.92)
"""Code rates that base graph 1 reaches without repeating bits or losing too many."""


@dataclass(frozen=True)
class Mcs:
    """Modulation and coding scheme.

    Args:
        bits_per_symbol: 2 (QPSK), 4 (16-QAM) to 10 (1024-QAM).
        coderate: information bits, the checksum's included, per coded bit; 1/3 to 0.92.

    Raises:
        TypeError, ValueError: outside these bounds.

    >>> print(Mcs(4, 0.5))
    16-QAM rate 0.5
    """

    bits_per_symbol: int
    coderate: float

    def __post_init__(self) -> None:
        checks.integer("Mcs", "bits_per_symbol", self.bits_per_symbol, ge=2)
        if self.bits_per_symbol not in range(2, 11, 2):
            raise ValueError(f"`Mcs(bits_per_symbol=...)` must be 2, 4, 6, 8 or 10; got {self.bits_per_symbol}.")
        checks.real("Mcs", "coderate", self.coderate, ge=RATES[0], le=RATES[1])

    def __str__(self) -> str:
        name = "QPSK" if self.bits_per_symbol == 2 else f"{2**self.bits_per_symbol}-QAM"
        return f"{name} rate {self.coderate:.3g}"

    @property
    def efficiency(self) -> float:
        """Information bits a symbol."""
        return self.bits_per_symbol * self.coderate


class Blocks:
    """Payloads of one size as QAM symbols, under a checksum; the code between is the subclass's.

    Args:
        payload: bits a block carries.
        bits_per_symbol: of the QAM.
        device: "cpu" or "cuda:0".
    """

    def __init__(self, payload: int, bits_per_symbol: int, device: str) -> None:
        self._payload = payload
        with seeded(0, device):
            from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
            from sionna.phy.fec.scrambling import TB5GScrambler
            from sionna.phy.mapping import Demapper, Mapper

            self._add_crc = CRCEncoder(CRC, k=payload, device=device)
            self._check_crc = CRCDecoder(self._add_crc, device=device)
            self._scramble = TB5GScrambler(device=device)
            self._map = Mapper("qam", bits_per_symbol, device=device)
            self._demap = Demapper("maxlog", "qam", bits_per_symbol, device=device)

    def encode(self, payload: Tensor) -> Tensor:
        """Payloads [blocks, bits], uint8, to unit-power symbols [blocks, symbols a block], complex64."""
        return torch.cat(
            [
                self._map(self._encode(self._scramble(self._add_crc(part.float()))))
                for part in torch.split(payload, BLOCKS_PER_BATCH)
            ]
        )

    def llr(self, s_hat: Tensor, no: Tensor) -> Tensor:
        """Log-likelihood ratios [blocks, n] of the coded bits, from symbols at unit gain with noise ``no`` each.

        Positive speaks for 1. Ratios of several receptions of the same block add.
        """
        return torch.cat(
            [
                self._demap(*part)
                for part in zip(torch.split(s_hat, BLOCKS_PER_BATCH), torch.split(no, BLOCKS_PER_BATCH), strict=True)
            ]
        )

    def decode(self, llr: Tensor) -> tuple[Tensor, Tensor]:
        """Ratios [blocks, n] to payloads [blocks, bits], uint8, and whether each passes its checksum [blocks].

        A block whose ratios hold less information than it needs is given up unread; its payload is 0.
        """
        payload = torch.zeros(len(llr), self._payload, dtype=torch.uint8, device=llr.device)
        ok = torch.zeros(len(llr), dtype=torch.bool, device=llr.device)
        hopeful = self._hopeful(llr)
        for num_iter in NUM_ITER:
            left = (hopeful & ~ok).nonzero().squeeze(-1)
            for part in torch.split(left, BLOCKS_PER_BATCH) if len(left) else ():
                bits, valid = self._check_crc(self._scramble(self._decode(llr[part], num_iter)))
                payload[part], ok[part] = bits.byte(), valid.squeeze(-1)
        return payload, ok

    def _hopeful(self, llr: Tensor) -> Tensor:
        """Blocks [blocks] worth decoding."""
        return torch.ones(len(llr), dtype=torch.bool, device=llr.device)

    def _encode(self, bits: Tensor) -> Tensor:
        return bits

    def _decode(self, llr: Tensor, num_iter: int) -> Tensor:
        return (llr > 0).float()


class _Coded(Blocks):
    def __init__(self, payload: int, mcs: Mcs, device: str) -> None:
        super().__init__(payload, mcs.bits_per_symbol, device)
        k, m = payload + CRC_BITS, mcs.bits_per_symbol
        with seeded(0, device):
            from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder

            encoder = LDPC5GEncoder(k, m * num_symbols(k, mcs), m, device=device, check_input=False)
            self._encoder = encoder
            self._decoder = LDPC5GDecoder(encoder, cn_update="offset-minsum", device=device)

    def _encode(self, bits: Tensor) -> Tensor:
        coded: Tensor = self._encoder(bits)
        return coded

    def _hopeful(self, llr: Tensor) -> Tensor:
        """Mean mutual information of the coded bits, 1 - H(bit | ratio), above the code rate: no code does better."""
        hopeful: Tensor = 1 - _entropy(llr).mean(-1) > self._encoder.coderate
        return hopeful

    def _decode(self, llr: Tensor, num_iter: int) -> Tensor:
        bits: Tensor = self._decoder(llr, num_iter=num_iter)
        return bits


@lru_cache(maxsize=16)
def codec(payload: int, mcs: Mcs, device: str) -> Blocks:
    """LDPC code blocks that carry ``payload`` bits, 1 to MAX_PAYLOAD; Sionna's blocks are built once."""
    return _Coded(payload, mcs, device)


@lru_cache(maxsize=16)
def uncoded(payload: int, device: str) -> Blocks:
    """Blocks that are QPSK and a checksum only; an even number of payload bits."""
    return Blocks(payload, 2, device)


def into_blocks(bits: Tensor, *, limit: int = MAX_PAYLOAD, multiple: int = 1) -> Tensor:
    """Bits [n] as the fewest blocks of at most ``limit`` bits, all of one size, the last filled up with zeros.

    Args:
        bits: [n], n >= 1.
        limit: bits a block at most, a multiple of ``multiple``.
        multiple: of which the size of a block is one.

    >>> into_blocks(torch.ones(5), limit=2).tolist()
    [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]]
    """
    blocks = -(-len(bits) // limit)
    size = -(-len(bits) // (blocks * multiple)) * multiple
    return torch.nn.functional.pad(bits, (0, blocks * size - len(bits))).view(blocks, size)


def num_symbols(k: int, mcs: Mcs) -> int:
    """Symbols of a block of k bits, checksum included; its rate stays within what the base graph has bits for."""
    m = mcs.bits_per_symbol
    return min(math.ceil(k / mcs.efficiency), math.floor(k / RATES[0] / m))


def _entropy(llr: Tensor) -> Tensor:
    """H(bit) in bits, of a bit with P(1) / P(0) = exp(llr)."""
    size = llr.abs()
    return (torch.nn.functional.softplus(-size) + size * torch.sigmoid(-size)) / math.log(2)
