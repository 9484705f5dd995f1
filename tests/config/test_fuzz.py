"""Mutated specs: each is parsed, or refused with a ConfigError within seconds."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aca_ray.config import Vocabulary, parse_spec
from aca_ray.errors import ConfigError

SEED, MUTANTS = 7, 1500
SECONDS = 5.0  # limit per spec; a loaded machine needs a tenth
SPECS = Path(__file__).parents[2] / "experiments"
FULL = """name: full
description: every key once
experiment:
  methods: [darts, {name: beta_darts, scale: 0.25}]
  skip: [searched, allocated]
  spaces: [darts]
  data: [digits, {name: digits, max_train_images: 100, max_test_images: 50}]
  seeds: [0, 1]
  epochs: [1, 2]
  network: {channels: 4, cells: 5}
  batch_size: 32
  precision: float32
  data_pruning: bdp
  ranking: [l1, fisher]
  allocation: sign
  controls: [uniform]
  skip_free: false
  retraining: {protocol: {base: small, epochs: 12, clip_norm: .inf}, seeds: [0]}
runtime: {storage: results, tracking: null, cpus_per_trial: 1, gpus_per_trial: 0.5, accelerator_type: A100, pack: auto,
  max_concurrent: 1, max_failures: 0, address: "head:6379"}
"""
LOOKED_UP = """name: table
experiment:
  methods: darts
  skip: searched
  spaces: nasbench201
  data: digits
  seeds: &seeds [0, 1]
  epochs: [1]
  table: {path: nb201.csv, architecture: arch, accuracy: test}
  retraining: {seeds: 0}
"""
NAMED_TABLE = """name: table
experiment: {methods: darts, spaces: nasbench201, data: digits, seeds: 0, epochs: 1, allocation: [rounded, all],
  table: nasbench201, retraining: {protocol: {base: cifar, schedule: cosine, cutout: true}}}
"""
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 10**30, 0.5, -0.0, float("nan"), float("inf"), 1e308),
    *("", " ", "a", "0", "1e3", "\0", "\ud800", "\U0001f600", "../..", "/", "~", "s3://", "s3://a b", "x" * 5000),
    *("darts(", "darts(scale=1)", "beta_darts(scale=)", "beta_darts(scale=0.5)", "://", "sqlite://", "%", "{}", "<<"),
    *([], {}, [[]], [{}], {"name": []}, {"name": {}}, {"name": None}, {"": 0}, [None], [[0]], list(range(500))),
    *({"name": "digits", "max_train_images": 10**18}, {"name": "imagenet"}, {"name": "parquet", "train": []}),
    *({"base": "cifar"}, {"base": []}, {"base": "cifar", "epochs": 10**400}, {"base": "small", "lr": float("nan")}),
    *({"name": "cifar10", "root": 5}, {"name": "parquet", "train": "s3://x", "test": ""}, {"name": "darts", "a": {}}),
]
SNIPPETS = [
    *("\t", "\n", " ", ":", "- ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "!!", "!!timestamp ", "!!set ", "!<x> "),
    *("%", "|", ">", "'", '"', "#", "@", "`", "? ", "---\n", "...\n", "~", "=", "0x", "007", "1:30", "2020-02-02"),
    *("\x00", "\ufeff", "\u2028", "é", "\U0001f600", "yes", "null", ".nan", "1_0", "!!binary ", "!!python/name:os "),
]


def mutants() -> Iterator[str]:
    chance = random.Random(SEED)
    texts = [
        FULL,
        LOOKED_UP,
        NAMED_TABLE,
        *(path.read_text(encoding="utf-8") for path in sorted(SPECS.glob("**/*.yaml"))),
    ]
    for _ in range(MUTANTS):
        mutate = chance.choice((_other_value, _other_key, _other_text))
        yield mutate(chance.choice(texts), chance)


def _other_text(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((0, 0, 1, 1, 2, 10, 40)))
        piece = chance.choice((chance.choice(SNIPPETS), text[start:end] * 2, "", chr(chance.randrange(0x250))))
        text = text[:start] + piece + text[end:]
    return text


def _other_value(text: str, chance: random.Random) -> str:
    value = yaml.safe_load(text)
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(list(_places(value)))
        holder[key] = copy.deepcopy(chance.choice(VALUES))
    return json.dumps(value)


def _other_key(text: str, chance: random.Random) -> str:
    value = yaml.safe_load(text)
    mappings = [value, *(holder[key] for holder, key in _places(value) if isinstance(holder[key], dict))]
    mapping = chance.choice([mapping for mapping in mappings if mapping])
    key = chance.choice(list(mapping))
    mapping[chance.choice((key.upper(), key[1:], key + "s", "name", "", "<<", "\x85"))] = mapping.pop(key)
    return json.dumps(value)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in list(entries):
        yield value, key
        yield from _places(entry)


@pytest.fixture
def parse(known: Vocabulary) -> Callable[[str], object]:
    return lambda text: parse_spec(text, known)


def test_mutated_specs(parse: Callable[[str], object]) -> None:
    specs = 0
    for text in mutants():
        start = time.perf_counter()
        try:
            parse(text)
            specs += 1
        except ConfigError as error:
            said = [problem.strip() for problem in error.problems]
            if not said or "" in said:
                raise AssertionError(f"the error has no message, spec:\n{text}") from error
        except Exception as error:
            raise AssertionError(f"{error!r}, spec:\n{text}") from error
        assert time.perf_counter() - start < SECONDS, text
    assert 0.05 < specs / MUTANTS < 0.6  # mutants that are all wrong or all right would test little
