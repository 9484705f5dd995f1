"""The sweep spec, its trials, and their fingerprints: text in, frozen values out."""

from aca_ray.config.load import load_spec, parse_spec
from aca_ray.config.schema import (
    Defaults,
    ExperimentSpec,
    NetworkSpec,
    RetrainingSpec,
    RuntimeSpec,
    SweepSpec,
    TableSpec,
    Vocabulary,
)
from aca_ray.config.sources import GivenSpec, SpecSource, given_spec
from aca_ray.config.trials import search_trials
from aca_ray.space.fingerprint import canonical_json, fingerprint
from aca_ray.space.trials import (
    LookUpTrial,
    NetworkTrial,
    ProtocolValue,
    RetrainingTrial,
    SearchTrial,
    StandaloneTrial,
)

__all__ = [
    "Defaults",
    "ExperimentSpec",
    "GivenSpec",
    "LookUpTrial",
    "NetworkSpec",
    "NetworkTrial",
    "ProtocolValue",
    "RetrainingSpec",
    "RetrainingTrial",
    "RuntimeSpec",
    "SearchTrial",
    "SpecSource",
    "StandaloneTrial",
    "SweepSpec",
    "TableSpec",
    "Vocabulary",
    "canonical_json",
    "fingerprint",
    "given_spec",
    "load_spec",
    "parse_spec",
    "search_trials",
]
