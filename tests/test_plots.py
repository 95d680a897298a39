"""Which pictures a run gets."""

import dataclasses

from analognn import plots
from analognn.estimates import Estimate
from analognn.experiments import Entry, Medium, Summary


def summary_of(tiny, media):
    scenario = dataclasses.replace(tiny, media=media)
    accuracy = Estimate(0.5, 0.4, 0.6)
    entries = tuple(
        Entry(label, medium.backend, point, name, "none", 0, 0, 0, 2, accuracy, None, 3.0)
        for label, medium in media.items()
        for point in medium.points()
        for name in scenario.denoiser.names
    )
    return Summary(scenario, 0.9, entries)


def test_media_that_sweep_one_key_are_drawn_against_it(tiny):
    both = {"a": Medium("ofdm", {"esn0_db": [0.0, 5.0]}), "b": Medium("digital", {"esn0_db": [5.0]})}
    summary = summary_of(tiny, both)
    assert plots.shared_axis(summary) == "esn0_db"
    figure = plots.accuracy_vs_key(summary, "esn0_db")
    assert [panel.get_title() for panel in figure.axes] == ["ML", "MMSE", "MMSEpb"]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"no noise", "a", "b"}
    assert figure.axes[0].get_xlabel() == "Es/N0 [dB]"


def test_others_are_not(tiny):
    one = {"a": Medium("ofdm", {"esn0_db": [0.0, 5.0]})}
    mixed = {**one, "b": Medium("awgn", {"wnr_db": [0.0]})}
    two_axes = {"a": Medium("ofdm", {"esn0_db": [0.0], "threshold": [0.1]}), "b": Medium("ofdm", {"esn0_db": [0.0]})}
    words = {label: Medium("quantised", {"format": ["int4"]}) for label in "ab"}
    for media in (one, mixed, two_axes, words):
        assert plots.shared_axis(summary_of(tiny, media)) is None
