"""The sweep spec: `experiment` decides the results and is fingerprinted; `runtime` says where it runs and is not.

Names (methods, spaces, rankers, ...) are checked against a Vocabulary that the caller passes, so that this package
depends on no registry.
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
    WithJsonSchema,
    field_validator,
    model_validator,
)

from aca_ray.errors import unknown_name
from aca_ray.space import in_nasbench201
from aca_ray.space.trials import Precision, ProtocolValue, Skip

# Far above anything published, and small enough to be checked.
MAX_ENTRIES = 10_000  # of a list
MAX_TRIALS = 100_000  # searches and retrainings of a sweep
MAX_NETWORK = 1_000_000  # channels * channels * cells


@dataclass(frozen=True)
class Defaults:
    """The names that stand for missing ones.

    Attributes:
        ranker: channel ranker.
        rule: allocation rule.
        table_rule: allocation rule if nothing is retrained.
        protocol: retraining protocol.
    """

    ranker: str
    rule: str
    table_rule: str
    protocol: str


@dataclass(frozen=True)
class Vocabulary:
    """The names that a spec may use.

    Attributes:
        ranker, allocation_rule, control, data_pruner: known names by kind.
        table: names of benchmark tables that ship with the program.
        whole_edge_rules: allocation rules and controls whose networks are in a benchmark's table.
        read_protocol: maps (a protocol as written: its name, or a mapping of a base and fields; place) to its
            canonical form and all its problems.
        read_space: maps (a space as written: its name, its text, or a mapping of a base and candidates; place) to its
            canonical text and all its problems.
        read_method: maps (a method as written: its name, its label, or a mapping of name and settings; place) to its
            label and all its problems.
        data_problems: maps (data mapping, place) to all problems of the mapping.
        plain_data: returns the canonical form of a data mapping.
        storage_problems: maps (runtime.storage, place) to all its problems.
        defaults: names that stand for missing ones.
    """

    ranker: frozenset[str]
    allocation_rule: frozenset[str]
    control: frozenset[str]
    table: frozenset[str]
    whole_edge_rules: frozenset[str]
    data_pruner: frozenset[str]
    read_protocol: Callable[[Any, str], tuple[ProtocolValue, list[str]]]
    read_method: Callable[[Any, str], tuple[str, list[str]]]
    read_space: Callable[[Any, str], tuple[str, list[str]]]
    data_problems: Callable[[Mapping[str, Any], str], list[str]]
    storage_problems: Callable[[str, str], list[str]]
    defaults: Defaults
    plain_data: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict


class ProblemError(ValueError):
    """Sentences about a value, each with its place relative to the value."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences
        super().__init__("; ".join(sentences))


PLACE = "\0"  # placeholder for the place in a sentence, which the loader fills in


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
    """Refuse duplicate entries and lists that are too long."""
    if len(values) > MAX_ENTRIES:
        raise ProblemError([f"{PLACE}: has {len(values):,} entries; at most {MAX_ENTRIES:,} are allowed"])
    seen: set[Any] = set()
    mappings: list[Any] = []  # not hashable
    for value in values:
        hashable = isinstance(value, str | int)
        if value in (seen if hashable else mappings):
            raise ProblemError([f"{PLACE}: lists {value!r} twice; remove one"])
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
        except (OSError, ValueError) as error:  # an invalid path: too long, or with a null character
            reason = getattr(error, "strerror", None) or error
            problems = [f"{PLACE}: has a path that cannot be accessed ({reason}); correct it"]
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


def _space(value: Any, info: ValidationInfo) -> Any:
    if isinstance(info.context, Vocabulary):
        value, problems = info.context.read_space(value, PLACE)
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
                f"{PLACE}: must be at most 1, since a trial uses one GPU or a share of one; found {value:g}. "
                "Set 1; other trials run on the other GPUs at the same time"
            ]
        )
    return value


def _takes(what: str) -> WithJsonSchema:
    """Describe a value in the JSON schema, for the reference."""
    return WithJsonSchema({"description": what})


MethodLabel = Annotated[str, BeforeValidator(_method), _takes("method")]
SpaceText = Annotated[str, BeforeValidator(_space), _takes("space, or mapping")]
RankerName = Annotated[str, AfterValidator(_known("ranker")), _takes("ranker")]
RuleName = Annotated[str, AfterValidator(_known("allocation_rule")), _takes("rule")]
ControlName = Annotated[str, AfterValidator(_known("control")), _takes("control")]
Protocol = Annotated[ProtocolValue, BeforeValidator(_protocol), _takes("protocol, or mapping")]
TableName = Annotated[str, AfterValidator(_known("table")), _takes("table")]
PrunerName = Annotated[str, AfterValidator(_known("data_pruner")), _takes("`bdp`")]
DataMapping = Annotated[Mapping[str, Any], BeforeValidator(_data), _takes("data set, or mapping")]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


def _several(item: Any) -> Any:
    """Return the type of a non-empty list without duplicates; a single item may be written without the list."""
    return Annotated[tuple[item, ...], BeforeValidator(_as_list), Field(min_length=1), AfterValidator(_distinct)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class NetworkSpec(_Frozen):
    """The size of the supernet."""

    channels: Annotated[int, Field(ge=1, le=4096, strict=True)] = 16
    """Channels of the first cells; doubled at each of the two reductions."""
    cells: Annotated[int, Field(ge=3, le=1000, strict=True)] = 8
    """Number of cells, two of which reduce. On `nasbench201`, 17 cells are the benchmark's N = 5 and 8 cells N = 2."""

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        """Refuse networks that fit into no memory: weights grow with the cells and with the square of the channels."""
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
    """A file with the accuracies of a benchmark."""

    path: Annotated[str, Field(min_length=1)]
    """CSV or Parquet file, relative to the spec."""
    architecture: str = "architecture"
    """Column of the architecture strings."""
    accuracy: str = "test_accuracy"
    """Column of the test accuracies."""


# Anything but a mapping counts as a name, so that a mistake is reported once. Places leave the tags out.
Table = Annotated[
    Annotated[TableName, Tag(f"{PLACE}name")] | Annotated[TableSpec, Tag(f"{PLACE}file")],
    Discriminator(lambda value: f"{PLACE}{'file' if isinstance(value, Mapping | TableSpec) else 'name'}"),
]


class RetrainingSpec(_Frozen):
    """How found networks are trained from scratch."""

    protocol: Protocol | None = None
    """The retraining protocol: a name, or a mapping of a `base` and the fields that differ from it.

    `null` means the default, which the sweep then keeps. `precision: tf32` (GPUs only) or `bfloat16` (autocast) makes
    the passes faster, and `compile: true` compiles them with torch.compile; weights and optimizer stay float32. All of
    these change results, and networks of different protocols are never pooled.
    """
    seeds: _several(Seed) = (0,)  # type: ignore[valid-type]
    """Seeds of the retraining; every network is retrained once with each of them."""


class ExperimentSpec(_Frozen):
    """What decides the results. Lists span the sweep: every combination is a search of its own."""

    methods: _several(MethodLabel)  # type: ignore[valid-type]
    """Search methods: names, or mappings of a name and settings for research on a method."""
    skip: _several(Skip) = ("searched", "allocated")  # type: ignore[valid-type]
    """`searched` is the published method; `allocated` leaves skip connections out and allocates channels afterwards."""
    spaces: _several(SpaceText) = ("darts",)  # type: ignore[valid-type]
    """Search spaces: names, or mappings of a `base` and candidates of your own.

    `{base: darts, operations: [skip_connect, sep_conv_3x3]}` offers these on every edge of both cells. `normal` and
    `reduce` set one cell: a list for all its edges, or a mapping of edges, as in `{0->2: [skip_connect, noise]}`, and
    `operations` for the cell's other edges. Edges that are not mentioned keep the base's candidates. The base is any
    space; operations are those of all spaces, in any order. A mapping that equals a space is that space.
    """
    data: _several(DataMapping)  # type: ignore[valid-type]
    """Data sets: names, or mappings of `name`, the data set's own keys, and the keys that all data sets take."""
    seeds: _several(Seed)  # type: ignore[valid-type]
    """Seeds of the searches: initial weights, architecture, order and augmentation of the images."""
    epochs: _several(Epochs)  # type: ignore[valid-type]
    """Search budgets, in epochs; the schedules of a search span its budget."""
    network: NetworkSpec = NetworkSpec()
    """The size of the supernet."""
    batch_size: Annotated[int, Field(ge=2, le=1_000_000, strict=True)] | None = None
    """Images per search step; `null` means each method's own."""
    precision: Precision = "float32"
    """Precision of the supernet's passes during the search.

    With `bfloat16` (autocast) weights, architecture parameters, optimizers, batch-norm statistics and losses stay
    float32, and so do ranking and allocation; retraining has the precision of its protocol. Searches of different
    precisions are never pooled. Methods that take differences of gradients (`darts_second_order`, `r_darts_l2`,
    `r_darts_dp`, `darts_es`, `darts_ada`) lose digits to it. `float32` is exact: TF32 is off.
    """
    data_pruning: PrunerName | None = None
    """Drop training images during the search: `bdp` (bi-level data pruning, arXiv 2312.14200, in our reading)."""
    ranking: _several(RankerName) | None = None  # type: ignore[valid-type]
    """Channel rankers; `null` means the default, which the sweep then keeps."""
    allocation: _several(RuleName) | None = None  # type: ignore[valid-type]
    """Allocation rules, each paired with every ranker; `null` means the default, which the sweep then keeps.

    The first pair is the main one.
    """
    skip_free: bool = True
    """Also retrain and look up the cells of allocated searches without refilling (the rule `all`)."""
    controls: Annotated[tuple[ControlName, ...], BeforeValidator(_as_list), AfterValidator(_distinct)] = ()
    """Controls of every pair of ranker and rule; each is retrained and looked up like the pair itself."""
    table: Table | None = None
    """The benchmark to look networks up in: `nasbench201` (CIFAR-10 test accuracy after 200 epochs), or your own file.

    Searched and skip-free cells are looked up at every search epoch, cells of the rule `rounded` at the milestones.
    """
    retraining: RetrainingSpec | None = None
    """How found networks are retrained; `null` means by the default protocol, or with `table` not at all."""

    @property
    def retrain_seeds(self) -> tuple[int, ...]:
        """Seeds with which every network is retrained; () if networks are only looked up."""
        return () if self.retraining is None else self.retraining.seeds

    @model_validator(mode="after")
    def _networks_are_measured(self) -> Self:
        """Retrain networks unless they are looked up."""
        if self.retraining is None and self.table is None:
            return self.model_copy(update={"retraining": RetrainingSpec()})
        return self

    @model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        """Refuse settings of allocated searches where there are none."""
        if "allocated" not in self.skip:
            unused = {
                "ranking": self.ranking,
                "allocation": self.allocation,
                "controls": self.controls,
                "skip_free": not self.skip_free,
            }
            problems = [
                f"{PLACE}.{key}: applies to allocated searches only, and experiment.skip has none; leave it out"
                for key, value in unused.items()
                if value
            ]
            if problems:
                raise ProblemError(problems)
        return self

    @model_validator(mode="after")
    def _trials_can_be_counted(self) -> Self:
        """Refuse more trials than a sweep can have."""
        axes = (self.methods, self.spaces, self.data, self.seeds, self.epochs)
        pairs = len(self.ranking or (None,)) * len(self.allocation or (None,))
        per_skip = {"searched": 1, "allocated": self.skip_free + pairs * (1 + len(self.controls))}
        per_network = len(self.retrain_seeds) + (self.table is not None)
        retrainings = sum(per_skip[skip] for skip in self.skip) * per_network
        trials = math.prod(map(len, axes)) * (len(self.skip) + retrainings)
        if trials > MAX_TRIALS:
            raise ProblemError(
                [
                    f"{PLACE}: asks for {trials:,} searches and retrainings (methods * spaces * data * seeds * epochs, "
                    f"and what follows each); a sweep can have at most {MAX_TRIALS:,}. Split it into several"
                ]
            )
        return self

    @model_validator(mode="after")
    def _something_is_looked_up(self, info: ValidationInfo) -> Self:
        """Refuse entries that need retraining where nothing is retrained."""
        if self.table is None:
            return self
        problems = []
        covered = [in_nasbench201(space) for space in self.spaces]
        if not any(covered):
            problems.append(
                f"{PLACE}.spaces: must include nasbench201, or a part of it, which experiment.table covers; add it, "
                "or leave the table out"
            )
        if self.retraining is None:
            fix = "is in no table; set experiment.retraining to retrain it, or leave it out"
            problems += [
                f"{PLACE}.spaces[{index}]: {space} {fix}"
                for index, space in enumerate(self.spaces)
                if any(covered) and not covered[index]
            ]
            if isinstance(info.context, Vocabulary):
                whole = info.context.whole_edge_rules
                problems += [
                    f"{PLACE}.{key}[{index}]: {name} refills single channels, so it {fix}. "
                    f"In tables: {', '.join(sorted(whole))}"
                    for key, names in (
                        ("allocation", self.allocation or ()),
                        ("controls", self.controls),
                    )
                    for index, name in enumerate(names)
                    if name not in whole
                ]
        if problems:
            raise ProblemError(problems)
        return self

    @model_validator(mode="after")
    def _defaults_are_named(self, info: ValidationInfo) -> Self:
        """Name the defaults where names are missing, so that a sweep keeps them when a later version has others."""
        if not isinstance(info.context, Vocabulary):
            return self
        defaults, retraining = info.context.defaults, self.retraining
        named: dict[str, Any] = {}
        if "allocated" in self.skip:
            named["ranking"] = self.ranking or (defaults.ranker,)
            named["allocation"] = self.allocation or (defaults.table_rule if retraining is None else defaults.rule,)
        if retraining is not None:
            protocol = retraining.protocol or defaults.protocol
            named["retraining"] = retraining.model_copy(update={"protocol": protocol})
        return self.model_copy(update=named)


class RuntimeSpec(_Frozen):
    """Where and how the sweep runs. Nothing here changes a result, except for rounding."""

    storage: Annotated[str, AfterValidator(_storage)] = "results"
    """Folder of all sweeps, or the URI of an object store: `s3://bucket/prefix` or `gs://bucket/prefix`.

    Other servers that speak S3's protocol: `s3://bucket/prefix?endpoint_override=HOST:PORT&scheme=http`. Credentials
    come from the environment or the machine's role.
    """
    tracking: str | None = None
    """MLflow tracking URI; `null` means an SQLite file in the storage folder.

    Required if the storage is an object store. Credentials come from the environment: `MLFLOW_TRACKING_USERNAME`,
    `MLFLOW_TRACKING_PASSWORD`, `PGPASSWORD`.
    """
    cpus_per_trial: Annotated[int, Field(ge=1, le=4096, strict=True)] = 1
    """CPU cores, torch threads and image decoders of a trial.

    On a CPU, another number can change the last bits of a result.
    """
    gpus_per_trial: Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_gpus)] = 0
    """GPUs of a trial: 0, 1, or a share of one. A trial can allocate no more than its share of the GPU's memory."""
    accelerator_type: Annotated[str, Field(min_length=1)] | None = None
    """Ray's name of the accelerator that a trial needs (H100, A100, ...); `null` means any."""
    pack: Annotated[int | Literal["auto"], BeforeValidator(_pack)] = 1
    """Number of seeds that one process searches in parallel, as one network with that many groups.

    Each seed keeps its own initialization, data order, checkpoints, MLflow run and resume, and equals the unpacked
    search except for rounding. `auto` measures how many fit into 0.9 of the free memory of the trial's GPU; it falls
    back to 1 on CPUs, for methods that cannot be packed, and when the measurement fails. Methods that draw (`gdas`,
    `pr_darts`, `p_darts`, `r_darts_dp`, and space `s4`) are computed one seed after another. On a CPU, small images
    profit; for larger ones a core per trial is as fast.
    """
    max_concurrent: Annotated[int, Field(ge=1, le=MAX_TRIALS, strict=True)] | None = None
    """Number of trials that run at the same time; `null` means as many as the resources allow."""
    max_failures: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 3
    """How often a trial is restarted after its process died."""
    address: Annotated[str, Field(pattern=r"^[^/]+$")] | None = None
    """Address of a running Ray cluster (host:port, or auto). `null` means RAY_ADDRESS, and without it a local Ray."""

    @field_validator("tracking")
    @classmethod
    def _holds_no_password(cls, value: str | None) -> str | None:
        """Refuse a password without repeating it."""
        if value is not None and re.search(r"://[^/:@]*:[^@]*@|[?&]\w*password=", value, re.IGNORECASE):
            raise ProblemError(
                [
                    f"{PLACE}: contains a password, but the spec is stored with the results and shown in MLflow; move "
                    "it to the environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or "
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
                    f"{PLACE}.tracking: must be a server (http://...) or an SQLite file (sqlite:///...) if "
                    "runtime.storage is an object store, which can't contain one; found null"
                ]
            )
        return self


class SweepSpec(_Frozen):
    """A sweep: what is computed (`experiment`) and where it runs (`runtime`)."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    """Names the folder in the storage and the MLflow experiment: up to 100 letters, digits, `_`, `.` and `-`."""
    description: str = ""
    """Free text, shown in the report and in MLflow."""
    experiment: ExperimentSpec
    """What decides the results. Its fingerprint is the sweep's identity."""
    runtime: RuntimeSpec = RuntimeSpec()
    """Where and how the sweep runs."""
