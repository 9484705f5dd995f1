"""The contract of everything that a spec can name, as checks on tiny images: `aca-ray check-plugin` and the tests."""

from aca_ray.contract.check import Check, Outcome, outcome_of
from aca_ray.contract.of_plugin import checks_of, plugin_outcomes

__all__ = ["Check", "Outcome", "checks_of", "outcome_of", "plugin_outcomes"]
