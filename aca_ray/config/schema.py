"""The sweep spec: `experiment` decides the result and is fingerprinted, `runtime` says where it runs and is not.

Names (methods, spaces, rankers, ...) are checked against a Vocabulary that the caller hands in, so that this package
knows no registry.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from aca_ray.errors import unknown_name

# Far above anything published, and small enough to be checked.
MAX_ENTRIES = 10_000  # of a list
MAX_TRIALS = 100_000  # searches and retrainings of a sweep
MAX_NETWORK = 1_000_000  # channels * channels * cells

Skip = Literal["searched", "allocated"]
Precision = Literal["float32", "bfloat16"]
ProtocolValue = str | Mapping[str, Any]


@dataclass(frozen=True)
class Vocabulary:
    """The names that a spec may use.

    Attributes:
        space, ranker, allocation_rule, control, data_pruner: known names by kind.
        table: names of benchmark tables that the program carries.
        whole_edge_rules: allocation rules whose networks a benchmark's table holds.
        read_protocol: maps (a protocol as written: its name, or a mapping of a base and fields; place) to the one
            spelling that identifies it and all problems of it.
        read_method: maps (a method as written: its name, its label, or a mapping of name and settings; place) to its
            label and all problems of it.
        data_problems: maps (data mapping, place) to all problems of the mapping.
        plain_data: returns a data mapping in the one spelling that identifies it.
        storage_problems: maps (runtime.storage, place) to all problems of it.
    """

    space: frozenset[str]
    ranker: frozenset[str]
    allocation_rule: frozenset[str]
    control: frozenset[str]
    table: frozenset[str]
    whole_edge_rules: frozenset[str]
    data_pruner: frozenset[str]
    read_protocol: Callable[[Any, str], tuple[ProtocolValue, list[str]]]
    read_method: Callable[[Any, str], tuple[str, list[str]]]
    data_problems: Callable[[Mapping[str, Any], str], list[str]]
    storage_problems: Callable[[str, str], list[str]]
    plain_data: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict


class ProblemError(ValueError):
    """Sentences about a value, each with its place relative to the value."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences
        super().__init__("; ".join(sentences))


PLACE = "\0"  # stands for the place in a sentence until the loader knows it


def _known(kind: str) -> Callable[[str, ValidationInfo], str]:
    def check(value: str, info: ValidationInfo) -> str:
        vocabulary = info.context
        if isinstance(vocabulary, Vocabulary):
            known: frozenset[str] = getattr(vocabulary, kind)
            if value not in known:
                raise ProblemError([unknown_name(PLACE, kind.replace("_", " "), value, known)])
        return value

    return check


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse an entry given twice, and more entries than anybody compares."""
    if len(values) > MAX_ENTRIES:
        raise ProblemError([f"{PLACE}: has {len(values):,} entries; at most {MAX_ENTRIES:,} are taken"])
    seen: set[Any] = set()
    mappings: list[Any] = []  # have no hash
    for value in values:
        hashable = isinstance(value, str | int)
        if value in (seen if hashable else mappings):
            raise ProblemError([f"{PLACE}: lists {value!r} twice; every entry stands for trials of its own"])
        if hashable:
            seen.add(value)
        else:
            mappings.append(value)
    return values


def _data(value: Any, info: ValidationInfo) -> Any:
    value = {"name": value} if isinstance(value, str) else value
    if isinstance(info.context, Vocabulary):
        try:
            problems = info.context.data_problems(value, PLACE)
        except (OSError, ValueError) as error:  # a path that no system takes: too long, or with a null character
            problems = [f"{PLACE}: names a path that cannot be looked up ({getattr(error, 'strerror', None) or error})"]
        if problems:
            raise ProblemError(problems)
        if isinstance(value, Mapping):
            return info.context.plain_data(value)
    return value


def _method(value: Any, info: ValidationInfo) -> Any:
    if isinstance(info.context, Vocabulary):
        value, problems = info.context.read_method(value, PLACE)
        if problems:
            raise ProblemError(problems)
    return value


def _protocol(value: Any, info: ValidationInfo) -> Any:
    if isinstance(info.context, Vocabulary):
        value, problems = info.context.read_protocol(value, PLACE)
        if problems:
            raise ProblemError(problems)
    return value


def _storage(value: str, info: ValidationInfo) -> str:
    if isinstance(info.context, Vocabulary):
        problems = info.context.storage_problems(value, PLACE)
        if problems:
            raise ProblemError(problems)
    return value


def _pack(value: Any) -> Any:
    if value == "auto" or (type(value) is int and 1 <= value <= MAX_ENTRIES):
        return value
    raise ProblemError([f"{PLACE}: must be an integer of at least 1, or auto; found {value!r}"])


def _gpus(value: float) -> float:
    if value > 1:
        raise ProblemError(
            [
                f"{PLACE}: a trial uses one GPU or a share of one, so that others would lie idle; found {value:g}. "
                "Give 1: trials that wait run on the other GPUs at the same time"
            ]
        )
    return value


MethodLabel = Annotated[str, BeforeValidator(_method)]
SpaceName = Annotated[str, AfterValidator(_known("space"))]
RankerName = Annotated[str, AfterValidator(_known("ranker"))]
RuleName = Annotated[str, AfterValidator(_known("allocation_rule"))]
ControlName = Annotated[str, AfterValidator(_known("control"))]
Protocol = Annotated[ProtocolValue, BeforeValidator(_protocol)]
TableName = Annotated[str, AfterValidator(_known("table"))]
PrunerName = Annotated[str, AfterValidator(_known("data_pruner"))]
DataMapping = Annotated[Mapping[str, Any], BeforeValidator(_data)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


def _several(item: Any) -> Any:
    """Return the type of a non-empty list without repetitions that may also be written as its only item."""
    return Annotated[tuple[item, ...], BeforeValidator(_as_list), Field(min_length=1), AfterValidator(_distinct)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSpec(_Frozen):
    """Size of the supernet."""

    channels: Annotated[int, Field(ge=1, le=4096, strict=True)] = 16
    """Channels of the first cells."""
    cells: Annotated[int, Field(ge=3, le=1000, strict=True)] = 8
    """Number of cells; two of them reduce."""

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        """Refuse what no memory holds: the weights grow with cells and with the square of the channels."""
        size = self.channels**2 * self.cells
        if size > MAX_NETWORK:
            raise ProblemError(
                [
                    f"{PLACE}: channels * channels * cells must be at most {MAX_NETWORK:,}, found {self.channels} * "
                    f"{self.channels} * {self.cells} = {size:,}; published supernets have less than 100,000"
                ]
            )
        return self


class TableSpec(_Frozen):
    """The table of a benchmark in a file."""

    path: Annotated[str, Field(min_length=1)]
    """CSV or Parquet file; relative to the spec."""
    architecture: str = "architecture"
    """Column with the architecture strings."""
    accuracy: str = "test_accuracy"
    """Column with the test accuracies."""


# What is no mapping is taken for a name, so that a mistake is named once. The tags are no part of a place.
Table = Annotated[
    Annotated[TableName, Tag(f"{PLACE}name")] | Annotated[TableSpec, Tag(f"{PLACE}file")],
    Discriminator(lambda value: f"{PLACE}{'file' if isinstance(value, Mapping | TableSpec) else 'name'}"),
]


class EvaluationSpec(_Frozen):
    """How what was found is evaluated: retrained, looked up in the table of a benchmark, or both."""

    protocol: Protocol | None = None
    """How networks are retrained: a name, or a mapping of a `base` and the fields that differ from it.

    null takes `cifar`, or with a table retrains nothing.
    """
    retrain_seeds: _several(Seed) = (0,)  # type: ignore[valid-type]
    """Every derived network is retrained once with each."""
    skip_free: bool = True
    """Evaluate what an allocated search found without refilling as well (the rule `all`)."""
    controls: Annotated[tuple[ControlName, ...], BeforeValidator(_as_list), AfterValidator(_distinct)] = ()
    """Allocations that every pair of ranker and rule is compared with, each evaluated as well."""
    table: Table | None = None
    """Look genotypes up in the table of a benchmark: a name, or a file of the user's."""

    @property
    def is_retrained(self) -> bool:
        """Whether networks are trained, and not looked up alone."""
        return self.table is None or self.protocol is not None


class ExperimentSpec(_Frozen):
    """What decides the result."""

    methods: _several(MethodLabel)  # type: ignore[valid-type]
    """Names, or mappings of a name and settings; settings are for research on a method, sweeps do without."""
    skip: _several(Skip) = ("searched", "allocated")  # type: ignore[valid-type]
    spaces: _several(SpaceName) = ("darts",)  # type: ignore[valid-type]
    data: _several(DataMapping)  # type: ignore[valid-type]
    seeds: _several(Seed)  # type: ignore[valid-type]
    epochs: _several(Epochs)  # type: ignore[valid-type]
    """Search budgets; each is a search of its own, whose schedules span it."""
    network: NetworkSpec = NetworkSpec()
    batch_size: Annotated[int, Field(ge=2, le=1_000_000, strict=True)] | None = None
    """Images per search step; null takes each method's own."""
    precision: Precision = "float32"
    """Of the supernet's passes while it is searched (bfloat16 by autocast); all that is kept or follows is float32."""
    data_pruning: PrunerName | None = None
    """Leaves images out of every search while it runs; null uses all."""
    ranking: _several(RankerName) | None = None  # type: ignore[valid-type]
    """Channel rankers; null takes the default of the method description."""
    allocation: _several(RuleName) | None = None  # type: ignore[valid-type]
    """Allocation rules, each with every ranker; null takes the default. The first pair is the main one."""
    evaluation: EvaluationSpec = EvaluationSpec()

    @model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        """Refuse what only allocated searches read where there are none."""
        if "allocated" not in self.skip:
            unused = {
                "ranking": self.ranking,
                "allocation": self.allocation,
                "evaluation.controls": self.evaluation.controls,
                "evaluation.skip_free": not self.evaluation.skip_free,
            }
            problems = [
                f"{PLACE}.{key}: is read by allocated searches only, and experiment.skip has none; leave it out"
                for key, value in unused.items()
                if value
            ]
            if problems:
                raise ProblemError(problems)
        return self

    @model_validator(mode="after")
    def _trials_can_be_counted(self) -> Self:
        """Refuse more trials than a sweep can hold."""
        axes = (self.methods, self.spaces, self.data, self.seeds, self.epochs)
        evaluation = self.evaluation
        pairs = len(self.ranking or (None,)) * len(self.allocation or (None,))
        per_skip = {"searched": 1, "allocated": evaluation.skip_free + pairs * (1 + len(evaluation.controls))}
        per_network = evaluation.is_retrained * len(evaluation.retrain_seeds) + (evaluation.table is not None)
        retrainings = sum(per_skip[skip] for skip in self.skip) * per_network
        trials = math.prod(map(len, axes)) * (len(self.skip) + retrainings)
        if trials > MAX_TRIALS:
            raise ProblemError(
                [
                    f"{PLACE}: asks for {trials:,} searches and retrainings (methods * spaces * data * seeds * epochs, "
                    f"and what follows each); a sweep holds at most {MAX_TRIALS:,}. Divide it into several"
                ]
            )
        return self

    @model_validator(mode="after")
    def _something_is_looked_up(self, info: ValidationInfo) -> Self:
        """Refuse what could only be answered by retraining, where nothing is retrained."""
        evaluation = self.evaluation
        if evaluation.table is None:
            return self
        problems = []
        if "nasbench201" not in self.spaces:
            problems.append(f"{PLACE}.spaces: experiment.evaluation.table covers nasbench201, which is not among them")
        if not evaluation.is_retrained:
            fix = "is looked up nowhere; give experiment.evaluation.protocol to have it retrained, or leave it out"
            problems += [
                f"{PLACE}.spaces[{index}]: {space} {fix}"
                for index, space in enumerate(self.spaces)
                if space != "nasbench201" and "nasbench201" in self.spaces
            ]
            if isinstance(info.context, Vocabulary):
                whole = info.context.whole_edge_rules
                problems += [
                    f"{PLACE}.{key}[{index}]: no table holds networks with refilled channels, so that {name} {fix}; "
                    f"what is looked up: {', '.join(sorted(whole))}"
                    for key, names in (
                        ("allocation", self.allocation or ()),
                        ("evaluation.controls", evaluation.controls),
                    )
                    for index, name in enumerate(names)
                    if name not in whole
                ]
            if evaluation.retrain_seeds != (0,):
                problems.append(
                    f"{PLACE}.evaluation.retrain_seeds: nothing is retrained with a table alone; leave it out"
                )
        if problems:
            raise ProblemError(problems)
        return self


class RuntimeSpec(_Frozen):
    """Where and how it runs; nothing here changes what is computed, save for rounding (see `cpus_per_trial`)."""

    storage: Annotated[str, AfterValidator(_storage)] = "results"
    """Folder of all sweeps, or its URI in an object store (s3://bucket/prefix, gs://bucket/prefix); no credentials."""
    tracking: str | None = None
    """MLflow tracking URI; null keeps a SQLite store in the storage folder, which an object store cannot hold."""
    cpus_per_trial: Annotated[int, Field(ge=1, le=4096, strict=True)] = 1
    """CPU cores, and torch threads, of a trial; a different number can change the last bits on a CPU."""
    gpus_per_trial: Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_gpus)] = 0
    """0, 1, or a share of a GPU, of a trial; a trial can allocate no more than its share of the GPU's memory."""
    accelerator_type: Annotated[str, Field(min_length=1)] | None = None
    """Accelerator that a trial needs, as Ray calls it (H100, A100, ...); null takes any node."""
    pack: Annotated[int | Literal["auto"], BeforeValidator(_pack)] = 1
    """Searches that differ in nothing but their seed which one process computes together; equal but for rounding.

    `auto` takes as many as fit into the trial's GPU, or its share, by a measurement; on a CPU one.
    """
    max_concurrent: Annotated[int, Field(ge=1, le=MAX_TRIALS, strict=True)] | None = None
    """Trials at once; null lets the resources decide."""
    max_failures: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 3
    """How often a trial is taken up again after its process died."""
    address: Annotated[str, Field(pattern=r"^[^/]+$")] | None = None
    """Running Ray cluster (host:port, or auto), never shut down; null takes RAY_ADDRESS, without it starts Ray here."""

    @field_validator("tracking")
    @classmethod
    def _holds_no_password(cls, value: str | None) -> str | None:
        """Refuse a password without repeating it."""
        if value is not None and re.search(r"://[^/:@]*:[^@]*@|[?&]\w*password=", value, re.IGNORECASE):
            raise ProblemError(
                [
                    f"{PLACE}: holds a password, and a spec is kept with the results and shown by MLflow; take it out. "
                    "It is read from the environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or "
                    "~/.mlflow/credentials), PGPASSWORD (or ~/.pgpass) for PostgreSQL"
                ]
            )
        return value

    @model_validator(mode="after")
    def _tracking_has_a_place(self) -> Self:
        """Refuse to keep an SQLite file in an object store."""
        if self.tracking is None and "://" in self.storage:
            raise ProblemError(
                [
                    f"{PLACE}.tracking: must name a server (http://...) or an SQLite file (sqlite:///...) where "
                    "runtime.storage is an object store, which can't hold one; found null"
                ]
            )
        return self


class SweepSpec(_Frozen):
    """A whole sweep."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    description: str = ""
    experiment: ExperimentSpec
    runtime: RuntimeSpec = RuntimeSpec()
