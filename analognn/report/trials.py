"""The report of a run: what was sent where, and the accuracy that came back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from analognn import plots
from analognn.experiments import Entry, Summary, stopping
from analognn.experiments.gains import BASELINE, SHARES, Gain, gains
from analognn.experiments.record import denoisers, receptions
from analognn.experiments.words import knows, point_text, wnr_text
from analognn.report import folders, media
from analognn.report.media import Run
from analognn.report.page import Block, Part, Picture, Pictures, Table, count, figure, sections


def part(run: Run, title: str) -> Part:
    """All sections of one run."""
    return Part(
        title,
        sections(
            (
                ("Summary", _summary(run)),
                ("Accuracy against noise", _accuracy(run)),
                ("Gain in dB", _gains(run)),
                ("Is the noise Gaussian?", [*media.noise(run), *folders.certificates(run.kept.folder)]),
                ("Pairs of MMSEpb", [*media.pairs(run), *folders.surfaces(run.kept.folder)]),
                ("What the receivers knew", media.budget(run)),
                ("What it cost", media.cost(run)),
                ("Links and other pictures", folders.pictures(run.kept.folder)),
                *folders.origin(run.kept),
            )
        ),
    )


def _summary(run: Run) -> Iterator[Block]:
    scenario, summary = run.scenario, run.summary
    points = sum(len(list(medium.points())) for medium in scenario.media.values())
    drawn = stopping.draws(scenario, run.kept.rows)
    expected = sum(len(denoisers(scenario, reception)) for reception in receptions(scenario, drawn))
    seeds = " to ".join(str(number) for number in dict.fromkeys((min(drawn.values()), max(drawn.values()))))
    clean = f"{100 * summary.clean:.2f} %" if summary.clean is not None else "not yet known"
    examples = max((record.total for record in run.kept.rows), default=0)
    if scenario.summary:
        yield scenario.summary
    yield (
        f"The weights of {scenario.model} went through {count(len(scenario.media), 'medium', 'media')} at "
        f"{count(points, 'point')}, with {seeds} independent noise draws at each, and "
        f"{count(len(scenario.denoiser.names), 'receiver')} put the model back together. Accuracy is on "
        f"{examples:,} test examples; without noise it is {clean}. {len(run.kept.rows):,} of {expected:,} trials are "
        "done."
    )
    yield from (_in_words(label, entries) for label, entries in _by_medium(summary.entries))
    yield Table(
        "What was sent where, and how often",
        ("medium", "backend", "fixed", "swept", "points", "draws a point", "effective WNR dB"),
        tuple(_medium_row(run, label, entries) for label, entries in _by_medium(summary.entries)),
        numbers=3,
    )


def _in_words(label: str, entries: list[Entry]) -> str:
    """The noisiest point of a medium: what ML and the best receiver do there."""
    noisiest = min(entries, key=lambda entry: float("inf") if entry.wnr_db is None else entry.wnr_db).point
    there = [entry for entry in entries if entry.point == noisiest and entry.budget != "oracle"]
    best = max(there, key=lambda entry: entry.accuracy.mean)
    ml = next((entry for entry in there if entry.denoiser == BASELINE), best)
    where = f"{label}, {point_text(noisiest)}" if noisiest else label
    said = f"{where} ({wnr_text(ml)} dB effective WNR): {ml.denoiser} keeps {ml.accuracy.percent()} %"
    if best is ml:
        return f"{said}, and no receiver keeps more on average."
    gain = f", {best.gain_over_ml.percent('+')} points over ML" if best.gain_over_ml else ""
    return f"{said}; the highest mean is that of {best.denoiser}, {best.accuracy.percent()} %{gain}."


def _medium_row(run: Run, label: str, entries: list[Entry]) -> tuple[str, ...]:
    medium = run.scenario.media[label]
    swept = {key: value for key, value in medium.parameters.items() if isinstance(value, list)}
    fixed = {key: value for key, value in medium.parameters.items() if key not in swept}
    wnrs = [entry.wnr_db for entry in entries if entry.wnr_db is not None]
    draws = sorted({entry.seeds for entry in entries})
    return (
        label,
        medium.backend,
        point_text(fixed) or "defaults",
        "; ".join(f"{key} = {', '.join(str(value) for value in values)}" for key, values in swept.items()) or "-",
        str(len(list(medium.points()))),
        str(draws[0]) if len(draws) == 1 else f"{draws[0]} to {draws[-1]}",
        f"{min(wnrs):.1f} to {max(wnrs):.1f}" if wnrs else "-",
    )


def _accuracy(run: Run) -> Iterator[Block]:
    summary = run.summary
    drawn = [_panel(summary, label, entries) for label, entries in _by_medium(summary.entries)]
    if key := plots.shared_axis(summary):
        for name in dict.fromkeys(entry.denoiser for entry in summary.entries):
            own = replace(summary, entries=tuple(entry for entry in summary.entries if entry.denoiser == name))
            caption = f"Accuracy of {name} against {key}, one line a medium."
            drawn.append(
                _picture(plots.accuracy_vs_key(own, key, titled=False), caption, _told(own.entries, lambda e: e.medium))
            )
    yield Pictures(tuple(drawn))
    yield "Bars are 95 % intervals (Student's t) over noise draws on one fixed test set; gains over ML are paired."
    rows = ((e.medium, point_text(e.point), e.denoiser, knows(e), *_numbers(e)) for e in summary.entries)
    yield Table(
        "Test accuracy by medium, point and receiver",
        ("medium", "point", "receiver", "knows", "WNR dB", "accuracy %", "over ML, points", "draws"),
        tuple(rows),
        numbers=4,
        folded=len(summary.entries) > 60,
    )


def _panel(summary: Summary, label: str, entries: list[Entry]) -> Picture:
    own = replace(summary, entries=tuple(entries))
    caption = f"{label}: test accuracy against effective WNR, one line a receiver."
    return _picture(plots.accuracy_vs_wnr(own, titled=False), caption, _told(entries, lambda entry: entry.denoiser))


def _picture(drawn: Figure, caption: str, told: str) -> Picture:
    """The caption says what a title would."""
    return figure(drawn, alt=f"{caption} {told}", caption=caption)


def _told(entries: Sequence[Entry], line: Callable[[Entry], str]) -> str:
    """The ends of each line of a picture in words."""
    told = []
    for name in dict.fromkeys(line(entry) for entry in entries):
        own = sorted((e for e in entries if line(e) == name and e.wnr_db is not None), key=lambda e: e.wnr_db or 0.0)
        if own:
            ends = [*own[:1], *own[1:][-1:]]
            told.append(f"{name}: {', '.join(f'{e.accuracy.mean:.0%} at {e.wnr_db:.1f} dB' for e in ends)}")
    return "; ".join(told) + "."


def _numbers(entry: Entry) -> tuple[str, ...]:
    gain = entry.gain_over_ml.percent("+") if entry.gain_over_ml and entry.denoiser != BASELINE else ""
    return wnr_text(entry), entry.accuracy.percent(), gain, str(entry.seeds)


def _gains(run: Run) -> Iterator[Block]:
    clean = run.summary.clean
    if clean is None or BASELINE not in run.scenario.denoiser.names or len(run.trials) == 0:
        return
    by_target = [{(gain.medium, gain.denoiser): gain for gain in gains(run.trials, share * clean)} for share in SHARES]
    rows = [(*key, *itertools.chain(*(_gain(found[key]) for found in by_target))) for key in by_target[0]]
    if any("not" not in cell for row in rows for cell in row[2:]):
        yield (
            "How much lower the effective WNR may be for the same share of the clean accuracy, paired over noise "
            "draws. ≥: some draw was at the target at the lowest WNR of the sweep, so the gain is at least that."
        )
        names = itertools.chain(*((f"WNR for {share:.0%}", f"over ML at {share:.0%}") for share in SHARES))
        yield Table("In dB", ("medium", "receiver", *names), tuple(rows), numbers=2 * len(SHARES))


def _gain(gain: Gain) -> tuple[str, str]:
    """WNR that the target needs and how much less than ML's."""
    needs = ("≤ " if gain.at_least else "") + gain.crossing_db.text() if gain.crossing_db else "not reached"
    over = ("≥ " if gain.at_least else "") + gain.over_ml_db.text("+") if gain.over_ml_db else "not known"
    return needs, "" if gain.denoiser == BASELINE else over


def _by_medium(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    for label, found in itertools.groupby(entries, key=lambda entry: entry.medium):
        yield label, list(found)
