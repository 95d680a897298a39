"""The paper's claims about Propositions 1 and 2, Theorems 3 and 5 and Lemma 4, beside what we find.

Every number on our side is computed here from the functions of this package; the tests hold those against simulation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analognn.theory import quadratic, shallow, taylor
from analognn.theory.estimator import ML, Affine, NoisyWeights, mmse, temperatures
from analognn.theory.quadratic import Quadratic
from analognn.theory.shallow import Shallow

Verdict = Literal["holds", "misprint", "wrong", "holds in part"]


@dataclass(frozen=True)
class Claim:
    """One claim.

    Args:
        where: place in the paper.
        paper: what it says.
        ours: what we find.
        verdict: "misprint" where the text contradicts itself or its own derivation and nothing rests on it; "wrong"
            where a result changes; "holds in part" where it needs a condition that the paper does not state.
    """

    where: str
    paper: str
    ours: str
    verdict: Verdict


def claims() -> tuple[Claim, ...]:
    """All of them, in the paper's order, for the paper's examples."""
    of_theorem3, of_theorem5 = Quadratic(), Shallow()
    return (
        *_propositions(),
        *_theorem3(of_theorem3),
        *_beyond_theorem3(of_theorem3),
        *_lemma4(),
        *_approximation(of_theorem5),
        *_errors(of_theorem5),
        *_theorem5(of_theorem5),
        _figure6(of_theorem5),
    )


def _propositions() -> tuple[Claim, ...]:
    weights = NoisyWeights(1.0, 0.5, mean=0.2)
    beta = temperatures(weights, ML).beta
    return (
        Claim("before (7)", "MAP = arg min p(R|W) p(W)", "arg max", "misprint"),
        Claim("Proposition 1, (10)", "minimiser of the error weighted by exp(lambda w^2)", "the same", "holds"),
        Claim(
            "Proposition 2, (13)", "rho has no prior mean mu", "rho = s_z^2 (mu + s_w^2 beta) / (...)", "holds in part"
        ),
        Claim(
            "Figure 2",
            "ML is lambda' = 1",
            f"with beta = -mu / s_w^2 (mu = .2, s_w^2 = 1: {beta:g}); beta = 0 for mu = 0",
            "holds in part",
        ),
    )


def _theorem3(network: Quadratic) -> tuple[Claim, ...]:
    right, printed = quadratic.constants(network), quadratic.printed_constants(network)
    theorem, old = quadratic.theorem3(network), quadratic.theorem3(network, printed)
    ml, old_ml = (float(quadratic.expected_error(network, 1.0, 0.0, constants)) for constants in (right, printed))
    return (
        Claim(
            "Theorem 3, (18)",
            f"C2 = (c^2 - 1/3)^2; C1' = {printed.c1:.4g}, C2' = {printed.c2:.4g}",
            f"C2 = (c^2 + 1/3)^2; C1' = {right.c1:.4g}, C2' = {right.c2:.4g}",
            "wrong",
        ),
        Claim("Theorem 3, (20) to (23)", "D(theta, rho) given C1', C2'; P1...P4", "the same", "holds"),
        Claim("Figure 3, D of ML", f"{old_ml:.2f} by the printed constants", f"{ml:.2f}", "wrong"),
        Claim("Figure 3, D of MMSEpb", f"{old.error:.3f} by the printed constants", f"{theorem.error:.3f}", "wrong"),
        Claim("Figure 3, gain (19)", f"58 % ({old.gain:.1%} by the printed constants)", f"{theorem.gain:.1%}", "holds"),
    )


def _beyond_theorem3(network: Quadratic) -> tuple[Claim, ...]:
    p4 = quadratic.critical_points(network)[3]
    noisy = replace(network, weights=NoisyWeights(2.25, 9.0))
    best, claimed = quadratic.optimum(noisy), quadratic.theorem3(noisy)
    wnr = 10 * np.log10(quadratic.breakdown_wnr(network))
    return (
        Claim("Appendix A, dD/drho", "C1' (s_w^2 + s_z^2)^2 theta^2", "C1' (s_w^2 + s_z^2) theta^2", "misprint"),
        Claim(
            "Appendix A, P4",
            "local minimum",
            f"{p4.kind}: det H = {np.linalg.det(quadratic.hessian(network, p4.at)):.0f}",
            "wrong",
        ),
        Claim(
            "Theorem 3, beta* = 0",
            f"for every noise; s_z^2 = 9: D = {claimed.error:.2f}",
            f"above {wnr:.1f} dB WNR; s_z^2 = 9: lambda' = {best.temperatures.lambda_prime:g}, "
            f"beta = {best.temperatures.beta:.3f}, D = {best.error:.2f}",
            "holds in part",
        ),
    )


def _lemma4() -> tuple[Claim, ...]:
    def remainder(noise_var: float) -> float:
        u, v, at = [0.9, -1.4], [1.1, 0.7], Affine(0.8, 0.1)
        exact = taylor.expected_output(u, v, 0.4, noise_var=noise_var, estimator=at)
        return taylor.approximate_output(u, v, 0.4, noise_var=noise_var, estimator=at) - exact

    return (
        Claim(
            "Lemma 4, (27)",
            "E y_hat up to higher-order terms",
            f"remainder falls {remainder(0.02) / remainder(0.01):.2f} times as s_z^2 halves: order s_z^4",
            "holds",
        ),
        Claim("Lemma 4, g''; proof", "tanh^3(a u x + b x); even terms vanish", "theta, rho; odd terms", "misprint"),
    )


def _approximation(network: Shallow) -> tuple[Claim, ...]:
    tiny = replace(network, half_width=1e-3)
    limit = float(shallow.approximation(tiny, 1.0, 0.0) / shallow.expected_error(tiny, 1.0, 0.0))
    off, exact_off = (float(error(network, 1.0, 0.5)) for error in (shallow.approximation, shallow.expected_error))
    return (
        Claim(
            "Theorem 5, (31) as c -> 0",
            "exact up to order c^4",
            f"{limit:.3f} of D for ML: N c^2 s_z^4 theta^4 / 3 is missing",
            "wrong",
        ),
        Claim(
            "Theorem 5, (31), rho",
            f"three terms without c: D(1, .5) = {off:.3g}",
            f"of order c^6; D(1, .5) = {exact_off:.3g}",
            "wrong",
        ),
        Claim(
            "Figure 5, the surfaces",
            "almost coincide",
            f"near rho = 0; {off / exact_off:.1f} times at (1, .5)",
            "wrong",
        ),
    )


def _errors(network: Shallow) -> tuple[Claim, ...]:
    theorem = shallow.theorem5(network)
    ml, mmsepb = (float(shallow.expected_error(network, theta, 0.0)) for theta in (1.0, theorem.estimator.theta))
    printed_ml = float(shallow.approximation(network, 1.0, 0.0))
    return (
        Claim("Figure 5, D of ML", f".53 ({printed_ml:.4f} by (31), N = 10)", f"{ml:.4f}", "holds"),
        Claim(
            "Figure 5, D of MMSEpb", f".27 predicted ({theorem.error:.4f} by (31))", f"{mmsepb:.4f}", "holds in part"
        ),
        Claim("Section IV-B", "simulated D of ML and MMSEpb: .25 and .54", f"{ml:.2f} and {mmsepb:.2f}", "misprint"),
    )


def _theorem5(network: Shallow) -> tuple[Claim, ...]:
    theorem, best = shallow.theorem5(network), shallow.optimum(network)
    free = shallow.optimum(network, restricted=False)
    plain = float(shallow.expected_error(network, mmse(network.weights).theta, 0.0))
    return (
        Claim(
            "Theorem 5, lambda*",
            f"lambda' = {theorem.temperatures.lambda_prime:.4f} is the optimum",
            f"of (31); MMSE does better, D = {plain:.4f}; free optimum lambda' = {free.temperatures.lambda_prime:.4f} "
            f"~ -(3/10) c^2 s_w^2, D = {free.error:.4f}",
            "wrong",
        ),
        Claim("Theorem 5, gain (32)", f"{theorem.gain:.0%}", f"{best.gain:.1%}, by plain MMSE", "holds in part"),
    )


def _figure6(network: Shallow) -> Claim:
    networks = [replace(network, half_width=float(c)) for c in np.linspace(0.01, 0.5, 25)]
    theta = np.array([1.0, shallow.theorem5(network).estimator.theta])
    off = np.stack([shallow.approximation(n, theta, 0.0) / shallow.expected_error(n, theta, 0.0) - 1 for n in networks])
    ours = ", ".join(
        f"{name} {off[:, i].min():+.0%} to {off[:, i].max():+.0%}" for i, name in enumerate(("ML", "MMSEpb"))
    )
    return Claim(
        "Figure 6", "predicted and simulated D differ marginally up to c = .5", f"(31) / D - 1: {ours}", "holds in part"
    )
