"""Files with absurd values: thousands of seeded mutations raise only errors of this program."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aca_ray.cli import main
from aca_ray.comparison import read_sweep
from aca_ray.config import parse_spec
from aca_ray.errors import AcaRayError, ConfigError
from aca_ray.records import (
    AllocationFolder,
    AllocationSummary,
    Architecture,
    Checkpointing,
    DataFacts,
    MixingWeights,
    Packed,
    SearchRecord,
    SearchResult,
    SearchRow,
    SweepFolder,
    TrialFolder,
    TrialRecord,
)
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, Genotype, network_json
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.space.trials import SearchTrial
from aca_ray.sweep.finding import trial_title
from aca_ray.sweep.manifest import create_sweep
from aca_ray.sweep.orders import all_orders, search_orders
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.network_files import read_network

ABSURD = [
    *(None, True, False, 0, -1, 1, 2.5, 1e308, -1e308, 1e-320, 2**31, 2**53 + 1, 2**63, 10**30, 10**400),
    *("", "x", "1", "none", "skip_connect", "\0", "x" * 5000, "../../etc/passwd", b"\xff".decode("latin1")),
    *([], {}, [[]], [None], [1] * 100, {"a": 1}, [[["a"]]], {"schema": 1}),
]
INSERTED = [b"[", b"{", b"null", b"NaN", b"1e999", b"\xff", b'"', b"[" * 300, b"9" * 400, b"\\ud800"]

GENOTYPE = PUBLISHED["DARTS_V2"]
RANDOM = random.Random(0)
PLAN = ChannelPlan(
    "taylor_identity",
    "sign",
    tuple(tuple(EdgePlan(RANDOM.random(), tuple(RANDOM.sample(range(4), 4))) for _ in range(8)) for _ in range(5)),
)
SMALL_CELLS = parse_architecture_string(
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
)
SPEC = """
name: hostile
experiment: {{methods: darts, data: digits, seeds: 0, epochs: 2, skip_free: false, retraining: {{protocol: small}}}}
runtime: {{storage: {storage}}}
"""


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def mutated(value: Any, generator: random.Random) -> Any:
    """Return a JSON value with one to three of its parts replaced, deleted, repeated, nested, renamed or scaled."""
    value = copy.deepcopy(value)
    for _ in range(generator.choice([1, 1, 1, 2, 3])):
        known = [place for place in places(value) if place]
        if not known:
            return generator.choice(ABSURD)
        depth = generator.randrange(8)  # else nearly all mutations would hit numbers in the largest lists
        *way, key = generator.choice([place for place in known if len(place) <= depth] or known)
        parent = value
        for step in way:
            parent = parent[step]
        old = parent[key]
        change = generator.choice(["replace", "replace", "replace", "delete", "repeat", "nest", "rename", "scale"])
        if change == "delete":
            del parent[key]
        elif change == "repeat" and isinstance(old, list):
            parent[key] = (old * generator.choice([2, 50, 1000]))[:5000]
        elif change == "nest":
            for _ in range(generator.choice([50, 150])):
                old = [old]
            parent[key] = old
        elif change == "rename" and isinstance(parent, dict):
            parent[generator.choice(["", "a", "schema", "edges", "x" * 300])] = parent.pop(key)
        elif change == "scale" and isinstance(old, int | float):
            parent[key] = old * generator.choice([-1, 0, 1000, 10**9])
        else:
            parent[key] = copy.deepcopy(generator.choice(ABSURD))
    return value


def broken_text(text: bytes, generator: random.Random) -> bytes:
    """Return a text with some of its bytes changed, deleted or inserted."""
    changed = bytearray(text)
    for _ in range(generator.choice([1, 1, 3, 10])):
        start = generator.randrange(len(changed) + 1)
        stop = min(len(changed), start + generator.choice([0, 1, 10, 1000]))
        changed[start:stop] = generator.choice([*INSERTED, bytes([generator.randrange(256)]), b""])
    return bytes(changed)


def broken_texts(text: bytes, count: int) -> Iterator[bytes]:
    generator = random.Random(0)
    return (broken_text(text, generator) for _ in range(count))


def mutations(value: Any, count: int, seed: int) -> Iterator[bytes]:
    generator = random.Random(seed)
    for _ in range(count):
        text = json.dumps(mutated(value, generator)).encode()
        yield broken_text(text, generator) if generator.random() < 0.25 else text


def outcomes(path: Path, texts: Iterator[bytes], read: Callable[[Path], object]) -> Counter[str]:
    """Read every text from a file; return the numbers of accepted and refused texts. Other errors are raised."""
    counts: Counter[str] = Counter()
    for text in texts:
        path.write_bytes(text)
        try:
            read(path)
        except AcaRayError:
            counts["refused"] += 1
        else:
            counts["accepted"] += 1
    return counts


def test_networks(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        genotype, plan = read_network(path)
        again = Genotype.from_json(genotype.to_json())
        assert again == genotype
        assert plan is None or ChannelPlan.from_json(plan.to_json()) == plan

    for seed, value in enumerate([network_json(GENOTYPE, PLAN), network_json(SMALL_CELLS, None), GENOTYPE.to_json()]):
        counts = outcomes(tmp_path / "network.json", mutations(value, 200, seed), read)
        assert counts["refused"] > 100  # most mutations break a rule
        assert counts["accepted"] > 0  # some do not, such as an additional key


DATA_FACTS = DataFacts(
    name="digits",
    num_classes=2,
    class_names=("0", "1"),
    channels=1,
    height=8,
    width=8,
    mean=(0.3,),
    std=(0.4,),
    digest="d" * 64,
    source="sklearn",
    augmentation="crop",
    num_images=64,
)


def record_value() -> dict[str, Any]:
    """Return a complete record of a search, as JSON."""
    offered = (("none", "skip_connect", "sep_conv_3x3"),) * 14
    weights = ((0.25, 0.25, 0.5),) * 14
    metrics = {
        **{"search_valid/loss": 2.25, "search_valid/accuracy": 0.5, "search_train/accuracy": 0.5},
        **{"arch/skip_count": 2.0, "time/epoch_seconds": 1.5, "memory/peak_bytes": 1e9},
    }
    candidates: Any = {"normal": offered, "reduce": offered}
    architecture = Architecture(GENOTYPE, {"normal": weights, "reduce": weights}, candidates)
    record = SearchRecord(
        fingerprint="0123456789ab" + "0" * 52,
        trial=SearchTrial("darts", "searched", "darts", 0, 2, {"name": "digits"}, {"channels": 4, "cells": 3}, 16),
        num_epochs=2,
        state="finished",
        epoch=2,
        rows=tuple(SearchRow(epoch, 1_790_000_000_000, metrics, architecture) for epoch in (1, 2)),
        milestones=(1, 2),
        genotype=GENOTYPE,
        mixing=MixingWeights(normal=weights, reduce=weights, candidates=candidates),
        result=SearchResult(3, 10),
        seconds=3.0,
        packed=Packed(1, 4, 4),
        checkpointing=Checkpointing(num_saves=2, saving_seconds=0.1, training_seconds=3.0, cost_seconds=0.05),
        data_info=DATA_FACTS,
        environment={"torch": "2.14", "device": "cpu"},
    )
    return json.loads(json.dumps(record.to_json()))


def test_records(tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "searches" / "0123456789ab"
    folder.mkdir(parents=True)

    def read(path: Path) -> None:
        record = TrialRecord.read(folder)
        assert record is not None
        trial_title(record)
        record.write(tmp_path / "again")
        assert TrialRecord.read(tmp_path / "again") == record

    def read_for_comparison(path: Path) -> None:
        read_sweep(SweepFolder(tmp_path / "sweep"))

    for seed, reading in enumerate((read, read_for_comparison)):
        counts = outcomes(folder / "record.json", mutations(record_value(), 150, seed), reading)
        assert counts["refused"] > 50
        assert counts["accepted"] > 0


def test_allocations(tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "searches" / "0123456789ab"
    allocation = TrialFolder(folder).allocation(2, "taylor_identity").path
    allocation.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record_value()))
    shares = [[edge.kept_fraction for edge in stage] for stage in PLAN.stages]
    plan = {"refilled_share": PLAN.refilled_share, "kept_share": shares, "parameters": 1000, "macs": 2000}
    value = {
        "question": {
            **{"fingerprint": "a" * 64, "epoch": 2, "ranking": "taylor_identity", "main": "sign"},
            "network": {"channels": 8, "cells": 5},
        },
        **{"epoch": 2, "ranking": "taylor_identity", "genotype": GENOTYPE.to_json()},
        **{"plans": {"sign": plan, "sign_uniform": plan}, "decided_share": 0.5, "seconds": 1.0},
        "agreement": {"previous_epoch": 1, "kendall_tau": 0.5, "jaccard": None},
    }

    def read(path: Path) -> None:
        AllocationSummary.read(AllocationFolder(path.parent))
        read_sweep(SweepFolder(tmp_path / "sweep"))

    counts = outcomes(allocation / "allocation.json", mutations(value, 150, 0), read)
    assert counts["refused"] > 50
    assert counts["accepted"] > 0


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Return the storage folder of a sweep called hostile, whose searches have records."""
    text = SPEC.format(storage=tmp_path)
    sweep = create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)
    for order in search_orders(sweep):
        record = SearchRecord.from_json(record_value(), order.folder)
        replace(record, fingerprint=order.trial.fingerprint, trial=order.trial).write(order.folder)
    assert len(all_orders(sweep)) == 4
    return tmp_path


def test_manifests_and_specs_in_status(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = storage / "hostile"
    codes: Counter[int] = Counter()
    for name in ("sweep.json", "spec.yaml"):
        valid = (folder / name).read_bytes()
        values = mutations(json.loads(valid), 60, 0) if name == "sweep.json" else broken_texts(valid, 20)
        for text in values:
            (folder / name).write_bytes(text)
            code = main(["status", "hostile", "--storage", str(storage)])
            printed = capsys.readouterr()
            assert code in (0, 2)
            assert bool(printed.err) == (code == 2)
            assert "Traceback" not in printed.err
            codes[code] += 1
        (folder / name).write_bytes(valid)
    assert codes[2] > 20


def test_records_in_status_and_compare(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, *_ = sorted((storage / "hostile").glob("searches/*/record.json"))
    short = path.parent.name
    refused = 0
    for text in mutations(json.loads(path.read_bytes()), 25, 2):
        path.write_bytes(text)
        code = main(["status", "hostile", "--storage", str(storage)])
        printed = capsys.readouterr()
        lines = printed.out.splitlines()
        assert len(lines) >= 6  # a header, four trials, a summary
        (line,) = (line for line in lines if line.startswith(short))
        assert code == (2 if "unreadable" in line else 0)
        assert (str(path) in printed.err) == (code == 2)
        if code == 2:
            refused += 1
            for count in ("4 trials", "1 finished", "2 waiting", "1 unreadable"):
                assert count in printed.out
            assert main(["compare", "hostile", "--storage", str(storage)]) == 2
            assert str(path) in capsys.readouterr().err
    assert refused > 10


def test_a_damaged_sweep_does_not_hide_others(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (storage / "broken").mkdir()
    (storage / "broken" / "sweep.json").write_text("[]")
    assert main(["status", "--storage", str(storage)]) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith("hostile: 4 trials")
    assert printed.err.startswith(str(storage / "broken" / "sweep.json"))


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network["genotype"]["normal"].update(concat=[10**9]),
        lambda network: network["genotype"]["normal"].update(concat=[2] * 10_000),
        lambda network: network["genotype"]["normal"].update(edges=[["skip_connect", 0, 2]] * 3000),
        lambda network: network["genotype"]["normal"].update(num_inputs=1, edges=[], concat=[2 * 10**9]),
        lambda network: network["plan"]["stages"][0][0].update(order=list(range(10**5))),
        lambda network: network.update(genotype=None),
        lambda network: network.update(version=2),
    ],
)
def test_networks_in_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], None]
) -> None:
    change(value := network_json(GENOTYPE, PLAN))
    (path := tmp_path / "network.json").write_text(json.dumps(value))
    with pytest.raises(ConfigError):
        read_network(path)
    assert main(["show", str(path), "--protocol", "small", "--data", "digits"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"{path}: ")
    assert len(printed.err) < 1000
