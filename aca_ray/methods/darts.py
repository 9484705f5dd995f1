"""DARTS with the first-order gradient: the baseline of all other methods."""

from __future__ import annotations

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.parts.arch_gradient import first_order
from aca_ray.methods.parts.derivation import top_two
from aca_ray.methods.parts.relaxation import softmax_operations

METHOD = SearchMethod(
    name="darts",
    title="DARTS (1st order)",
    source="Liu et al. 2019, arXiv 1806.09055, and its official code",
    differs="",
    changes="the baseline",
    relax_operations=softmax_operations,
    arch_gradient=first_order,
    derive=top_two,
)
