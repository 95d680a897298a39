"""A certificate as tables for the terminal."""

from __future__ import annotations

from rich.table import Table

from .measure import Certificate


def checks_table(certificate: Certificate) -> Table:
    """What was measured beside what AWGN would give."""
    table = Table(title="Held against AWGN (bound: 5 standard errors of AWGN)")
    table.add_column("property")
    for column in ("measured", "AWGN", "bound", "within"):
        table.add_column(column, justify="right")
    for check in certificate.checks:
        numbers = f"{check.value:.4g}", f"{check.expected:g}", f"{check.bound:.2g}"
        table.add_row(check.name, *numbers, "yes" if check.ok else "no")
    return table


def accuracy_table(certificate: Certificate) -> Table:
    """Accuracy and how much better the stand-ins look, by time."""
    table = Table(title="Accuracy, and how much AWGN of the same variance overstates it (points, 95 %)")
    columns = ("time (s)", "WNR dB", "accuracy %", "per layer", "per layer, no gain/offset", "one variance")
    for column in columns:
        table.add_column(column, justify="right")
    for point in certificate.accuracy:
        t = "" if point.t is None else f"{point.t:g}"
        gaps = (point.gap_per_layer, point.gap_shape, point.gap_global)
        table.add_row(t, f"{point.wnr_db:.1f}", point.medium.percent(), *(gap.percent("+") for gap in gaps))
    return table
