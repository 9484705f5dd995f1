"""Claims of the summary."""

from __future__ import annotations

from collections.abc import Callable
from statistics import stdev

import pytest
from scipy import stats

from aca_ray.comparison import Comparison, FailedTrial, NetworkRow, Pair, SweepRows, compare
from aca_ray.report.notes import notes_of
from aca_ray.report.summary import summary

Build = Callable[..., NetworkRow]
MAIN = Pair("taylor_identity", "sign")


@pytest.fixture
def sentences(network_row: Build) -> Callable[..., str]:
    """Return the summary of one method with a searched and an allocated accuracy per seed."""

    def build(searched: list[float], allocated: list[float], **more: object) -> str:
        networks = [network_row(accuracy, seed=seed) for seed, accuracy in enumerate(searched)]
        networks += [network_row(accuracy, MAIN, seed=seed) for seed, accuracy in enumerate(allocated)]
        rows = SweepRows(networks=tuple(networks), sweep="toy", **more)  # type: ignore[arg-type]
        return "\n".join(summary(compare(rows, [MAIN])))

    return build


def test_a_significant_difference_is_the_first_sentence(sentences: Callable[..., str]) -> None:
    first, *rest = sentences([0.80, 0.81, 0.80, 0.79], [0.85, 0.87, 0.85, 0.85]).splitlines()
    gains = [0.05, 0.06, 0.05, 0.06]
    half = stats.t.ppf(0.975, 3) * stdev(gains) / 2
    pvalue = stats.ttest_1samp(gains, 0.0).pvalue
    assert "better" in first
    for part in (
        "+5.50 points",
        f"[{5.5 - 100 * half:+.2f}, {5.5 + 100 * half:+.2f}]",
        "n = 4 pairs",
        "p < 0.001" if pvalue < 0.001 else f"p = {pvalue:.3f}",
        "(darts, 8 search epochs, darts on digits, protocol tiny)",
    ):
        assert part in first
    assert "4 search seeds" in rest[0]
    assert "methods with random architectures" in rest[-1]


def test_the_first_question_is_whether_leaving_out_skips_helps(network_row: Build) -> None:
    values = {None: (0.92, 0.93, 0.91), (None, "all"): (0.93, 0.942, 0.925), MAIN: (0.90, 0.905, 0.89)}
    rows = SweepRows(
        networks=tuple(
            network_row(value, rule, seed=seed) for rule, arm in values.items() for seed, value in enumerate(arm)
        )
    )
    skip_free, allocated, refilled = summary(compare(rows, [MAIN]))[:3]
    assert ("+1.23 points" in skip_free, "better" in skip_free) == (True, True)
    assert ("-2.17 points" in allocated, "worse" in allocated) == (True, True)
    assert ("-3.40 points" in refilled, "worse" in refilled) == (True, True)


def test_searches_that_found_equal_networks_are_a_caveat(network_row: Build) -> None:
    """Four searches found one network: its training is one draw of noise, which no test over seeds contains."""
    trained = network_row(0.80, seed=0)
    copies = [network_row(0.80, seed=seed, shared_with=trained.fingerprint) for seed in (1, 2, 3)]
    allocated = [network_row(value, MAIN, seed=seed) for seed, value in enumerate((0.85, 0.87, 0.86, 0.85))]
    comparison = compare([SweepRows(networks=(trained, *copies, *allocated))], [MAIN])
    first = summary(comparison)[0]
    assert "better" in first
    assert "the 4 networks of the plain search share 1 training, whose noise the test leaves out" in first
    assert any("the 4 networks of searched share 1 training" in note for note in notes_of(comparison))
    own = [network_row(0.80 + 0.001 * seed, seed=seed) for seed in range(4)]
    assert not any("share" in text for text in summary(compare([SweepRows(networks=(*own, *allocated))], [MAIN])))


def test_pairs_of_different_settings_are_not_counted_together(network_row: Build) -> None:
    other = Pair("l1", "otsu")
    rows = [
        network_row(0.8 + (0.01 + bonus) * (control is None) + 0.001 * seed, pair, seed=seed, setting=setting, **more)
        for setting in ('{"data":{"max_train_images":200}}', "{}")
        for pair, bonus in ((MAIN, 0.0), (other, 0.002))
        for control in (None, "random")
        for seed in range(3)
        for more in ({"control": control} if control else {},)
    ]
    found = [text for text in summary(compare([SweepRows(networks=tuple(rows))], [MAIN, other])) if "largest" in text]
    assert [text.count("otsu of l1") for text in found] == [1, 1]
    assert all("of 2 pairs" in text for text in found)
    assert sum("max_train_images" in text for text in found) >= 1


def test_looked_up_and_retrained_networks_are_distinguished(network_row: Build) -> None:
    rows = SweepRows(
        networks=tuple(
            network_row(accuracy + 0.001 * seed * (rule is None), rule, seed=seed, protocol=protocol)
            for protocol, accuracy in (("small", 0.4), ("table nasbench201", 0.9))
            for seed in range(3)
            for rule in (None, (None, "all"), ("taylor_identity", "sign" if protocol == "small" else "rounded"))
        )
    )
    pairs = [Pair("taylor_identity", rule) for rule in ("sign", "rounded")]
    found = summary(compare(rows, pairs))
    assert [("protocol small" in text, "table nasbench201" in text) for text in found[:2]] == [
        (True, False),
        (False, True),
    ]
    (scope,) = (text for text in found if text.startswith("Compared: "))
    assert "9 retrained networks and 9 looked-up networks" in scope
    assert "sign of taylor_identity (protocol small)" in scope
    assert "rounded of taylor_identity (table nasbench201)" in scope


def test_an_interval_that_contains_zero_is_no_finding(sentences: Callable[..., str]) -> None:
    text = sentences([0.80, 0.84], [0.85, 0.83])
    first = text.splitlines()[0]
    gains = [0.05, -0.01]
    detectable = 100 * (stats.t.ppf(0.975, 1) + stats.t.ppf(0.8, 1)) * stdev(gains) / 2**0.5
    for part in ("+2.00 points", "contains 0", "n = 2 pairs", f"{detectable:.2f} points"):
        assert part in first
    assert "better" not in text


def test_one_seed_is_no_finding(sentences: Callable[..., str]) -> None:
    text = sentences([0.5], [0.9])
    assert "+40.00 points, n = 1 pair" in text.splitlines()[0]
    assert "better" not in text


def test_equal_differences_are_no_finding(sentences: Callable[..., str]) -> None:
    text = sentences([0.5, 0.6], [0.6, 0.7])
    first = text.splitlines()[0]
    assert "+10.00 points" in first
    assert "n = 2 pairs" in first
    assert "95 %" not in first
    assert "better" not in text


def test_gaps_are_listed(sentences: Callable[..., str]) -> None:
    failed = FailedTrial("search", {"method": "darts"}, "ValueError: no")
    text = sentences([0.5], [], unfinished=3, failed=(failed,))
    assert "Unfinished: 3 trials" in text
    assert "Failed: 1 trial," in text
    assert "allocated with searched networks" in text.splitlines()[-1]


def test_an_empty_sweep_has_one_sentence() -> None:
    (sentence,) = summary(Comparison((SweepRows(sweep="toy"),), (), ()))
    assert "No network of sweep toy" in sentence


def test_of_many_comparisons_only_significant_ones_are_listed(network_row: Build) -> None:
    networks = [
        network_row(base + 0.001 * seed * sign**seed, rule, seed=seed, method=f"m{index}")
        for index in range(12)
        for base, sign, rule in ((0.5, 1, None), (0.9 if index == 3 else 0.5, -1, MAIN))
        for seed in range(4)
    ]
    rows = SweepRows(networks=tuple(networks))
    sentences = summary(compare(rows, [MAIN]))
    assert "1 of 12 comparisons of allocated with searched networks" in sentences[0]
    assert "(m3, 8 search epochs" in sentences[1]


def test_random_architectures_and_size(network_row: Build) -> None:
    noise = [0.0, 0.01, -0.01, 0.005]
    rows = SweepRows(
        networks=tuple(
            network_row(base + slope * noise[seed], seed=seed, method=method, parameters=parameters)
            for method, base, slope, parameters in (("darts", 0.9, 1.0, 10), ("random_search", 0.5, -1.0, 99))
            for seed in range(4)
        )
    )
    first = summary(compare(rows, [MAIN]))[0]
    assert "better than random architectures (darts, 8 search epochs" in first
    assert "+40.25 points" in first
    assert "parameter ranges do not overlap" in first


def test_the_pair_with_the_largest_advantage_is_named(network_row: Build) -> None:
    other = Pair("fisher", "sign")
    values = {(MAIN, None): 0.80, (MAIN, "random"): 0.79, (other, None): 0.78, (other, "random"): 0.72}
    rows = SweepRows(
        networks=tuple(
            network_row(value + 0.001 * seed * (control is None), pair, seed=seed, control=control)
            for (pair, control), value in values.items()
            for seed in range(3)
        )
    )
    (found,) = (text for text in summary(compare(rows, [MAIN, other])) if "of 2 pairs" in text)
    assert "sign of fisher are better" in found
    assert "+6.10 points" in found
