"""The summary of a milestone's channel allocation: allocation.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from aca_ray.errors import shortened
from aca_ray.records.checking import (
    Checked,
    Count,
    Fingerprint,
    Number,
    Positive,
    RecordedGenotype,
    Seconds,
    Share,
    Text,
    parse,
)
from aca_ray.records.layout import AllocationFolder
from aca_ray.space.genotype import MOST_EDGES, KeptEdge
from aca_ray.space.topology import NUM_STAGES, stage_cell_type
from aca_ray.storage.bounded import SMALL_BYTES, read_bytes
from aca_ray.storage.files import write_json

FIX = "move the file away and resume the sweep: the channels are ranked again from the milestone's checkpoint"


@dataclass(frozen=True)
class Question:
    """The inputs of an allocation.

    Attributes:
        fingerprint: fingerprint of the search.
        epoch: the milestone.
        ranking: name of the ranker.
        main: name of the main kind of plans, by which milestones are compared.
        network: size of the network whose parameters and MACs are counted.
        code: SHA-256 of the plug-ins that rank and allocate, by what they make, such as `ranker mine` or `rule mine`.
    """

    fingerprint: Fingerprint
    epoch: Positive
    ranking: Text
    main: Text
    network: Mapping[Text, Positive]
    code: Mapping[Text, Fingerprint] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanSummary:
    """The effect of a channel plan.

    Attributes:
        refilled_share: share of the channels that a skip connection refills.
        kept_share: by stage and edge of the genotype, the share of the channels that the operation keeps.
        parameters: number of weights of the derived network.
        macs: multiply-accumulate operations for one image.
    """

    refilled_share: Share
    kept_share: Annotated[
        tuple[Annotated[tuple[Share, ...], Field(max_length=MOST_EDGES)], ...], Field(max_length=NUM_STAGES)
    ]
    parameters: Count
    macs: Count


@dataclass(frozen=True)
class Agreement:
    """Agreement of a ranking with the previous milestone; None where it is not defined."""

    previous_epoch: Positive
    kendall_tau: Number
    jaccard: Number


@dataclass(frozen=True)
class AllocationSummary(Checked):
    """The allocation of the channels at a milestone by one ranker.

    Attributes:
        question: the inputs.
        epoch: the milestone.
        ranking: name of the ranker.
        genotype: genotype whose channels are ranked.
        plans: effects of the plans, by name of the kind of plan.
        agreement: agreement with the previous milestone, or None at the first.
        decided_share: share of the channels whose score is clear of its standard error; None if the ranker gives no
            errors.
        seconds: time that ranking and allocation took.
    """

    question: Question
    epoch: Positive
    ranking: Text
    genotype: RecordedGenotype
    plans: Mapping[Text, PlanSummary]
    agreement: Agreement | None
    decided_share: Share | None
    seconds: Seconds

    def __post_init__(self) -> None:
        edges = [len(self.genotype.cell(stage_cell_type(stage)).edges) for stage in range(NUM_STAGES)]
        for name, plan in self.plans.items():
            if [len(shares) for shares in plan.kept_share] != edges:
                raise ValueError(
                    f"plans.{name}.kept_share must be per stage one number for every kept edge of the genotype, found "
                    f"{shortened(plan.kept_share)}"
                )

    def kept_edges(self, plan: str) -> Iterator[tuple[int, KeptEdge, float]]:
        """Yield stage, edge of the genotype and kept share of every edge under a plan."""
        for stage, shares in enumerate(self.plans[plan].kept_share):
            for edge, share in zip(self.genotype.cell(stage_cell_type(stage)).edges, shares, strict=True):
                yield stage, edge, share

    @staticmethod
    def read(folder: AllocationFolder) -> AllocationSummary:
        """Return the summary in a folder.

        Raises:
            StorageError: the file can't be read.
            MalformedFileError: a field is missing, unknown, of the wrong type or out of bounds.
        """
        return parse(AllocationSummary, read_bytes(folder.summary, SMALL_BYTES), str(folder.summary), FIX)

    def write(self, folder: AllocationFolder) -> None:
        """Write the summary into a folder, atomically; last, since it stands for the other files."""
        write_json(folder.summary, self.to_json())
