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


def test_times_stand_on_an_axis_of_decades_in_words(tiny):
    times = [0.0, 3600.0, 86400.0, 31536000.0]
    media = {label: Medium("pcm", {"t_inference": times}) for label in ("pcm", "other")}
    figure = plots.accuracy_vs_key(summary_of(tiny, media), "t_inference")
    figure.draw_without_rendering()
    panel = figure.axes[0]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0 s", "1 h", "1 d", "1 year"]
    at = panel.transData.transform([(time, 0.5) for time in times])[:, 0]
    assert (at[1:] - at[:-1]).min() > 0.1 * (at[-1] - at[0])


def test_near_values_stand_on_a_linear_axis(tiny):
    media = {label: Medium("ofdm", {"esn0_db": [1.0, 9.0]}) for label in ("a", "b")}
    assert plots.accuracy_vs_key(summary_of(tiny, media), "esn0_db").axes[0].get_xscale() == "linear"


def test_others_are_not(tiny):
    one = {"a": Medium("ofdm", {"esn0_db": [0.0, 5.0]})}
    mixed = {**one, "b": Medium("awgn", {"wnr_db": [0.0]})}
    two_axes = {"a": Medium("ofdm", {"esn0_db": [0.0], "threshold": [0.1]}), "b": Medium("ofdm", {"esn0_db": [0.0]})}
    words = {label: Medium("quantised", {"format": ["int4"]}) for label in "ab"}
    for media in (one, mixed, two_axes, words):
        assert plots.shared_axis(summary_of(tiny, media)) is None
