"""Run folders made of invented rows, and a reader of pages."""

import json
from html.parser import HTMLParser

from analognn.experiments import Denoising, Medium, Record, Scenario, Store
from analognn.experiments.feel import FeelScenario, FeelStore, RoundRow
from analognn.experiments.feel import summary as feel_summary
from analognn.experiments.feel.rounds import runs
from analognn.experiments.feel.scenario import NOISELESS
from analognn.experiments.fingerprint import Fingerprint
from analognn.experiments.record import denoisers, receptions
from analognn.experiments.scenario import CLEAN
from analognn.experiments.summary import write_summary

VOID = {"img", "meta", "br", "link", "hr", "input"}


def scenario(**changes):
    tables = {
        "name": "invented",
        "summary": "Rows that nobody measured.",
        "model": "mnist-resnet8",
        "media": {"air": Medium("awgn", {"wnr_db": [0.0, 6.0]})},
        "denoiser": Denoising(names=("ml", "mmsepb"), kappa=20, lambda_primes=(0.9, 1.0), betas=(-1.0, 0.0)),
        "seeds": 2,
    }
    return Scenario(**{**tables, **changes})


def fingerprint(asked, torch="2.12.1"):
    return Fingerprint(asked.hash, "5e771n9", "da7a", "c4ec4", {"python": "3.11.7", "analognn": "0.1", "torch": torch})


def run_folder(folder, asked=None):
    """A finished run whose accuracy grows with the WNR."""
    asked = asked or scenario()
    store = Store.create(folder, asked)
    store.keep(fingerprint(asked))
    for reception in receptions(asked):
        point = json.loads(reception.point)
        for index, name in enumerate(denoisers(asked, reception)):
            store.put(_record(reception, point, name, index))
    store.export_csv()
    write_summary(store)
    return folder


def _record(reception, point, name, index):
    if reception.medium == CLEAN:
        return Record(CLEAN, "{}", 0, "none", CLEAN, 99, 100, 1.0)
    wnr_db = float(point.get("wnr_db", 3.0)) + 0.01 * reception.seed
    pair = {"lambda_prime": 0.9, "beta": -1.0, "labelled": 20, "budget": "labelled"} if index else {"budget": "none"}
    return Record(
        **vars(reception), denoiser=name, backend="awgn", correct=int(40 + 8 * wnr_db + 3 * index), total=100,
        loss_sum=50.0, wnr_db=wnr_db, gain=1.0, noise_var=0.1, excess_kurtosis=0.01 - 0.02 * reception.seed,
        ks_distance=0.002, magnitude_corr=0.002 - 0.004 * reception.seed, reported_noise_var=0.1, channel_uses=500,
        energy=500.0, outage=0.0, side_info_bits=64, tiles=0, wall_s=0.5, reliable_bits=31168, reliable_uses=10,
        reliable_energy=10.0, reliable_retransmissions=0, **pair,
    )  # fmt: skip


def feel_folder(folder):
    """Finished federated trainings."""
    asked = FeelScenario.named("feel", ["federation.num_rounds=2", "seeds=2", "uplink.wnr_db=[-5.0, 5.0]"])
    store = FeelStore.create(folder, asked)
    for run in runs(asked):
        for number in range(asked.served(run.station).num_rounds):
            store.put(_round(run, number))
    store.export_csv()
    feel_summary.write_summary(store)
    return folder


def _round(run, number):
    noisy = run.station != NOISELESS
    return RoundRow(
        **vars(run), round=number, devices="[0]", refused="{}", dropped="[]", diverged=0, note="", loss=1.0,
        update_power=0.1, noise_var=0.1 if noisy else 0.0, effective_wnr_db=-5.0 if noisy else None, gain=1.0,
        lambda_prime=None, beta=None, searched_correct=None, searched_total=None, channel_uses=100, outage=0.0,
        side_info_bits=32, validation_correct=40 + run.seed, validation_total=100, test_correct=50 + number,
        test_total=100, seconds_training=1.0, seconds_air=0.1, seconds_station=0.1,
    )  # fmt: skip


class Page(HTMLParser):
    """What a test asks of a page: tags with their attributes and the tags around them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), tuple(self.open)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class", "")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, *names):
        return [(tag, attributes, around) for tag, attributes, around in self.tags if tag in names]

    @property
    def text(self):
        return " ".join(self.words)
