"""Types and bounds of the values in record.json and allocation.json, checked whenever one of them is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import FailFast, Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic refuses those of typing before Python 3.12

from aca_ray.records.checking import CLOSED, OPEN, Count, Number, Positive, Seconds, Share, Text
from aca_ray.space.genotype import MOST_EDGES, MOST_NODES
from aca_ray.space.topology import NUM_STAGES

State = Literal["running", "finished", "failed"]
Kind = Literal["search", "evaluation"]

Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Epochs = Annotated[list[Positive], FailFast()]
Node = Annotated[int, Field(ge=0, lt=MOST_NODES)]
Edge = Annotated[tuple[Text, Node, Node], Field(strict=False)]  # a list in JSON
MOST_CLASSES = 1_000_000  # ImageNet-21k has 21,841
Pixels = Annotated[int, Field(ge=1, le=1 << 16)]
Weights = Annotated[list[Annotated[list[float], FailFast()]], FailFast(), Field(max_length=MOST_EDGES)]
Names = Annotated[list[Annotated[list[Text], FailFast()]], FailFast(), Field(max_length=MOST_EDGES)]


@with_config(OPEN)
class Cell(TypedDict, total=False):
    """The edges and the output nodes of a derived cell."""

    edges: Annotated[list[Edge], FailFast(), Field(max_length=MOST_EDGES)]
    concat: Annotated[list[Node], FailFast(), Field(max_length=MOST_NODES)]


@with_config(OPEN)
class GenotypeJson(TypedDict, total=False):
    """The parts of a genotype that records need; `Genotype.from_json` checks the rest."""

    normal: Cell
    reduce: Cell


@with_config(CLOSED)
class CandidateNames(TypedDict, total=False):
    """Names of the candidates of every edge, per cell type."""

    normal: Names
    reduce: Names


@with_config(CLOSED)
class MixingWeights(TypedDict, total=False):
    """Mixing weights of every candidate of every edge, per cell type."""

    normal: Weights
    reduce: Weights


@with_config(CLOSED)
class Alphas(TypedDict, total=False):
    """Mixing weights, and the names of their candidates."""

    normal: Weights
    reduce: Weights
    candidates: CandidateNames


@with_config(CLOSED)
class Architecture(TypedDict):
    """The architecture derived from an epoch of a search; `candidates` only if they changed since the row before."""

    genotype: GenotypeJson
    mixing: NotRequired[MixingWeights | None]
    candidates: NotRequired[CandidateNames | None]


@with_config(CLOSED)
class Row(TypedDict):
    """A finished epoch."""

    epoch: Positive
    time_ms: Count
    metrics: dict[Text, Number]
    architecture: NotRequired[Architecture]


@with_config(OPEN)
class DataJson(TypedDict, total=False):
    """The data mapping of a spec; its other keys depend on the data set."""

    name: Text


@with_config(OPEN)
class TrialJson(TypedDict, total=False):
    """The spec of a search, of its retraining, or of the retraining of a named network, which differ in their keys."""

    method: Text
    skip: Literal["searched", "allocated"]
    space: Text
    seed: Count
    epochs: Positive
    data: DataJson
    network: dict[Text, Positive] | Text
    batch_size: Positive | None
    data_pruning: Text | None
    precision: Text
    search: Text
    name: Text
    protocol: Text | dict[Text, Any] | None
    retrain_seed: Count
    ranking: Text | None
    allocation: Text | None
    control: Text | None
    table: dict[Text, Text] | None


@with_config(CLOSED)
class Packed(TypedDict):
    """The number of packed searches, and their forward passes."""

    searches: Positive
    passes: Count
    computed: Count


@with_config(CLOSED)
class Checkpointing(TypedDict, total=False):
    """The fields of the pipeline's `Cadence`."""

    num_saves: Count
    saving_seconds: Seconds
    training_seconds: Seconds
    longest_seconds: Seconds
    cost_seconds: Seconds | None
    epoch_seconds: Seconds
    work_seconds: Seconds


@with_config(OPEN)
class DataInfoJson(TypedDict, total=False):
    """The description of the data."""

    name: Text
    digest: Text
    source: Text
    num_images: Count
    num_classes: Annotated[int, Field(ge=1, le=MOST_CLASSES)]
    class_names: Annotated[list[Text], FailFast(), Field(max_length=MOST_CLASSES)]
    channels: Literal[1, 3]
    height: Pixels
    width: Pixels
    mean: list[float]
    std: list[float]


@with_config(CLOSED)
class TableFacts(TypedDict):
    """A benchmark's table: its size, its best accuracy, and the accuracy of the cell of skips only."""

    architectures: Positive
    best: Share
    all_skips: Share | None


@with_config(OPEN)
class Result(TypedDict, total=False):
    """The result of a trial: of a search only the two counts of operations; regret, rank and table of a look-up."""

    test_accuracy: Share
    best_test_accuracy: Share
    regret: Share
    rank: Positive
    table: TableFacts
    parameters: Count
    macs: Count
    num_skips: Count
    num_parametric: Count
    refilled_share: Share


@with_config(CLOSED)
class RecordJson(TypedDict):
    """The fields of `TrialRecord`."""

    kind: Kind
    fingerprint: Fingerprint
    trial: TrialJson
    num_epochs: Positive
    state: NotRequired[State]
    epoch: NotRequired[Count]
    rows: NotRequired[Annotated[list[Row], FailFast()]]
    milestones: NotRequired[Epochs]
    genotype: NotRequired[GenotypeJson | None]
    alphas: NotRequired[Alphas | None]
    result: NotRequired[Result | None]
    error: NotRequired[str | None]
    resumes: NotRequired[Count]
    device: NotRequired[Text]
    process: NotRequired[Text]
    threads: NotRequired[Positive]
    seconds: NotRequired[Seconds]
    packed: NotRequired[Packed | None]
    checkpointing: NotRequired[Checkpointing | None]
    data_info: NotRequired[DataInfoJson | None]
    environment: NotRequired[dict[Text, Text] | None]
    shared_with: NotRequired[Fingerprint]


RECORD: TypeAdapter[RecordJson] = TypeAdapter(RecordJson)


@with_config(CLOSED)
class PlanSummary(TypedDict):
    """The effect of a channel plan; `kept_share` by stage and edge of the genotype."""

    refilled_share: Share
    kept_share: Annotated[list[Annotated[list[Share], Field(max_length=MOST_EDGES)]], Field(max_length=NUM_STAGES)]
    parameters: Count
    macs: Count


@with_config(CLOSED)
class AgreementJson(TypedDict):
    """Agreement of a ranking with the previous milestone."""

    previous_epoch: Positive
    kendall_tau: Number
    jaccard: Number


@with_config(CLOSED)
class AllocationJson(TypedDict):
    """The allocation of the channels at a milestone; `question` identifies its inputs."""

    question: NotRequired[dict[Text, Any]]
    epoch: Positive
    ranking: Text
    genotype: GenotypeJson
    plans: dict[Text, PlanSummary]
    agreement: NotRequired[AgreementJson | None]
    decided_share: NotRequired[Share | None]
    seconds: NotRequired[Seconds]


ALLOCATION: TypeAdapter[AllocationJson] = TypeAdapter(AllocationJson)
