"""The sweep spec: `experiment` decides the results and is fingerprinted; `runtime` says where it runs and is not.

Names (methods, spaces, rankers, ...) are checked against a Vocabulary that the caller passes, so that this package
depends on no registry.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from aca_ray.config.combinations import MAX_TRIALS, combination_problems
from aca_ray.config.plain import plain
from aca_ray.config.problems import PLACE, ProblemError, sentences
from aca_ray.config.several import AnyNumber, Several, SeveralOrNone
from aca_ray.config.values import gpu_share, pack_size, ray_address, retraining_section, sweep_name
from aca_ray.config.written import as_written
from aca_ray.config.yaml_text import read_mapping, read_spec, write_yaml
from aca_ray.errors import ConfigError, unknown_name
from aca_ray.space import read_space
from aca_ray.space.labels import method_label
from aca_ray.space.plugged import PluginFacts, used_plugins
from aca_ray.space.trials import Precision, ProtocolValue, Skip
from aca_ray.tracking_uris import tracking_problem

MAX_NETWORK = 1_000_000  # channels * channels * cells; far above anything published, and small enough to be checked


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
    """The names that a spec may use. Sets of names grow when plug-ins are loaded.

    Attributes:
        ranker, allocation_rule, control, data_pruner: known names by kind.
        table: names of benchmark tables that ship with the program.
        whole_edge_rules: returns the allocation rules and controls whose networks are in a benchmark's table.
        load_plugins: maps (plug-ins as written, place) to these and the installed ones, and to all problems.
        missing: returns why a name is unknown although an installed plug-in has it; empty if none has.
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

    ranker: Set[str]
    allocation_rule: Set[str]
    control: Set[str]
    table: frozenset[str]
    whole_edge_rules: Callable[[], frozenset[str]]
    data_pruner: frozenset[str]
    read_protocol: Callable[[Any, str], tuple[ProtocolValue, list[str]]]
    read_method: Callable[[Any, str], tuple[str, list[str]]]
    read_space: Callable[[Any, str], tuple[str, list[str]]]
    data_problems: Callable[[Mapping[str, Any], str], list[str]]
    storage_problems: Callable[[str, str], list[str]]
    defaults: Defaults
    load_plugins: Callable[[Any, str], tuple[list[PluginFacts], list[str]]]
    missing: Callable[[str], str]
    plain_data: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict


def _known(kind: str) -> Callable[[str, ValidationInfo], str]:
    def check(value: str, info: ValidationInfo) -> str:
        vocabulary = info.context
        if isinstance(vocabulary, Vocabulary):
            known: Set[str] = getattr(vocabulary, kind)
            if value not in known:
                problem = unknown_name(PLACE, kind.replace("_", " "), value, known)
                raise ProblemError([problem + vocabulary.missing(value)])
        return value

    return check


def _data(value: Any, info: ValidationInfo) -> Any:
    value = {"name": value} if isinstance(value, str) else plain(value)
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
    value = plain(value)
    if isinstance(info.context, Vocabulary):
        value, problems = info.context.read_method(value, PLACE)
        if problems:
            raise ProblemError(problems)
    elif isinstance(value, dict) and isinstance(value.get("name"), str):
        return method_label(value.pop("name"), value)
    return value


def _plugins(value: Any, info: ValidationInfo) -> Any:
    if isinstance(info.context, Vocabulary):
        value, problems = info.context.load_plugins(value, PLACE)
        if problems:
            raise ProblemError(problems)
        return value
    entries = [value] if isinstance(value, str | os.PathLike) else value
    if not isinstance(entries, list | tuple):
        return value
    # Loaded when a sweep is made of the spec.
    return [
        PluginFacts(os.fspath(entry), origin="", sha256="") if isinstance(entry, str | os.PathLike) else entry
        for entry in entries
    ]


def _space(value: Any, info: ValidationInfo) -> Any:
    value = plain(value)
    if isinstance(info.context, Vocabulary):
        value, problems = info.context.read_space(value, PLACE)
    elif isinstance(value, Mapping):
        value, problems = read_space(value, PLACE)
    else:
        return value
    if problems:
        raise ProblemError(problems)
    return value


def _protocol(value: Any, info: ValidationInfo) -> Any:
    value = plain(value)
    if isinstance(info.context, Vocabulary):
        value, problems = info.context.read_protocol(value, PLACE)
        if problems:
            raise ProblemError(problems)
    return value


def _path_text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _storage(value: str, info: ValidationInfo) -> str:
    if isinstance(info.context, Vocabulary):
        problems = info.context.storage_problems(value, PLACE)
        if problems:
            raise ProblemError(problems)
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
Plugins = Annotated[
    tuple[PluginFacts, ...],
    BeforeValidator(_plugins),
    Field(validate_default=True),
    WithJsonSchema({"type": "array", "items": {"description": "file or module"}}),
]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class _Frozen(BaseModel):
    """A part of a spec: keyword arguments in, problems together; names are checked when a sweep is made of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    if not TYPE_CHECKING:  # type checkers derive the arguments from the fields

        def __init__(self, /, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise ConfigError(sentences(error, type(self))) from None

        # With this mark of its own __init__, pydantic builds parts of a spec directly, and their places stay complete.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Complete what `help` and notebooks show: the meaning of the fields, and a signature without validators."""
        fields = (f"    {name}: {' '.join((one.description or '').split())}" for name, one in cls.model_fields.items())
        cls.__doc__ = "\n".join([f"{cls.__doc__}\n", "Attributes:", *fields])
        bare = [one.replace(annotation=one.empty) for one in inspect.signature(cls).parameters.values()]
        cls.__signature__ = inspect.Signature(bare)

    def _settle(self, **values: Any) -> Self:
        """Set values in a validator, before the frozen value is handed out; return it."""
        self.__dict__.update(values)
        return self


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
    seeds: Several[Seed] = (0,)  # type: ignore[assignment]
    """Seeds of the retraining; every network is retrained once with each of them."""


class ExperimentSpec(_Frozen):
    """What decides the results. Lists span the sweep: every combination is a search of its own."""

    plugins: Plugins = ()  # first: the other fields may use the names that plug-ins add
    """Code of your own or of other authors that adds names: paths of Python files relative to the spec, or modules.

    A plug-in defines `METHOD`, or rankers, rules, controls, spaces, protocols or data sets at the top level of its
    module. Loading it runs its code. A file must need nothing but installed packages: the sweep keeps a copy in its
    folder, and `run`, `resume`, `rank`, `show` and `export` run that copy on every machine, so use them on folders that
    you trust. A module must be installed on every machine. The SHA-256 of its source (of a module: of all Python files
    of its package) is part of the identity of the trials that use it. Plug-ins that installed packages announce as
    entry points need no entry here.
    """
    methods: Several[MethodLabel, str | Mapping[str, Any]]
    """Search methods: names, or mappings of a name and settings for research on a method."""
    skip: Several[Skip] = ("searched", "allocated")  # type: ignore[assignment]
    """`searched` is the published method; `allocated` leaves skip connections out and allocates channels afterwards."""
    spaces: Several[SpaceText, str | Mapping[str, Any]] = ("darts",)  # type: ignore[assignment]
    """Search spaces: names, or mappings of a `base` and candidates of your own.

    `{base: darts, operations: [skip_connect, sep_conv_3x3]}` offers these on every edge of both cells. `normal` and
    `reduce` set one cell: a list for all its edges, or a mapping of edges, as in `{0->2: [skip_connect, noise]}`, and
    `operations` for the cell's other edges. Edges that are not mentioned keep the base's candidates. The base is any
    space; operations are those of all spaces, in any order. An empty list (`0->3: []`) deletes an edge. A mapping that
    equals a space is that space.
    """
    data: Several[DataMapping, str | Mapping[str, Any]]
    """Data sets: names, or mappings of `name`, the data set's own keys, and the keys that all data sets take."""
    seeds: Several[Seed]
    """Seeds of the searches: initial weights, architecture, order and augmentation of the images."""
    epochs: Several[Epochs]
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
    ranking: SeveralOrNone[RankerName] = None  # type: ignore[assignment]
    """Channel rankers; `null` means the default, which the sweep then keeps."""
    allocation: SeveralOrNone[RuleName] = None  # type: ignore[assignment]
    """Allocation rules, each paired with every ranker; `null` means the default, which the sweep then keeps.

    The first pair is the main one.
    """
    skip_free: bool = True
    """Also retrain and look up the cells of allocated searches without refilling (the rule `all`)."""
    controls: AnyNumber[ControlName] = ()  # type: ignore[assignment]
    """Controls of every pair of ranker and rule; each is retrained and looked up like the pair itself."""
    table: Table | None = None
    """The benchmark to look networks up in: `nasbench201` (CIFAR-10 test accuracy after 200 epochs), or your own file.

    Searched and skip-free cells are looked up at every search epoch, cells of the rule `rounded` at the milestones.
    """
    retraining: Annotated[RetrainingSpec | None, BeforeValidator(retraining_section)] = None
    """How found networks are retrained; `null` means by the default protocol, or with `table` not at all."""

    @property
    def retrain_seeds(self) -> tuple[int, ...]:
        """Seeds with which every network is retrained; () if networks are only looked up."""
        return () if self.retraining is None else self.retraining.seeds

    @model_validator(mode="after")
    def _networks_are_measured(self) -> Self:
        """Retrain networks unless they are looked up."""
        if self.retraining is None and self.table is None:
            return self._settle(retraining=RetrainingSpec())
        return self

    @model_validator(mode="after")
    def _values_fit_together(self, info: ValidationInfo) -> Self:
        """Refuse values that are right one by one, but not together."""
        known = info.context.whole_edge_rules() if isinstance(info.context, Vocabulary) else None
        if problems := combination_problems(self, known):
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
        return self._settle(**named)

    @model_validator(mode="after")
    def _plugins_are_used(self) -> Self:
        """Leave out installed plug-ins that the spec neither lists nor uses."""
        used = self.used_plugins()
        kept = tuple(plugin for plugin in self.plugins if plugin.listed or plugin.name in used)
        return self if kept == self.plugins else self._settle(plugins=kept)

    def used_plugins(self) -> dict[str, str]:
        """Return {name: SHA-256 of the source} of the plug-ins that the experiment uses."""
        protocol = None if self.retraining is None else self.retraining.protocol
        return used_plugins(
            self.plugins,
            method=self.methods,
            space=self.spaces,
            data=self.data,
            ranker=self.ranking,
            rule=self.allocation,
            control=self.controls,
            protocol=protocol,
        )


class RuntimeSpec(_Frozen):
    """Where and how the sweep runs. Nothing here changes a result, except for rounding."""

    storage: Annotated[str, BeforeValidator(_path_text), AfterValidator(_storage)] = "results"
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
    gpus_per_trial: Annotated[float, Field(ge=0, le=1), BeforeValidator(gpu_share)] = 0
    """GPUs of a trial: 0, 1, or a share of one. A trial can allocate no more than its share of the GPU's memory."""
    accelerator_type: Annotated[str, Field(min_length=1)] | None = None
    """Ray's name of the accelerator that a trial needs (H100, A100, ...); `null` means any."""
    pack: Annotated[int | Literal["auto"], BeforeValidator(pack_size)] = 1
    """Number of seeds that one process searches in parallel, as one network with that many groups.

    Each seed keeps its own initialization, data order, checkpoints, MLflow run and resume, and equals the unpacked
    search except for rounding. `auto` measures how many fit into 0.9 of the free memory of the trial's GPU; it falls
    back to 1 on CPUs, for methods that cannot be packed or have several stages, and when the measurement fails. Methods
    that draw (`gdas`, `pr_darts`, `p_darts`, `r_darts_dp`, and space `s4`) are computed one seed after another. On a
    CPU, small images profit; for larger ones a core per trial is as fast.
    """
    max_concurrent: Annotated[int, Field(ge=1, le=MAX_TRIALS, strict=True)] | None = None
    """Number of trials that run at the same time; `null` means as many as the resources allow."""
    max_failures: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 3
    """How often a trial is restarted after its process died."""
    address: Annotated[str, AfterValidator(ray_address)] | None = None
    """Address of a running Ray cluster (host:port, or auto). `null` means RAY_ADDRESS, and without it a local Ray."""

    @field_validator("tracking")
    @classmethod
    def _can_be_opened(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Refuse a password without repeating it, and what is no tracking URI once a sweep is made of the spec."""
        if value is None:
            return value
        if re.search(r"://[^/:@]*:[^@]*@|[?&]\w*password=", value, re.IGNORECASE):
            raise ProblemError(
                [
                    f"{PLACE}: contains a password, but the spec is stored with the results and shown in MLflow; move "
                    "it to the environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or "
                    "~/.mlflow/credentials), PGPASSWORD (or ~/.pgpass) for PostgreSQL"
                ]
            )
        if isinstance(info.context, Vocabulary) and (problem := tracking_problem(value)):
            raise ProblemError([f"{PLACE}: {problem}"])
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

    name: Annotated[str, AfterValidator(sweep_name)]
    """Names the folder in the storage and the MLflow experiment: up to 100 letters, digits, `_`, `.` and `-`."""
    description: str = ""
    """Free text, shown in the report and in MLflow."""
    experiment: ExperimentSpec
    """What decides the results. Its fingerprint is the sweep's identity."""
    runtime: RuntimeSpec = RuntimeSpec()
    """Where and how the sweep runs."""

    def to_yaml(self) -> str:
        """Return the spec as YAML: what differs from the defaults, which `from_yaml` reads back to an equal spec."""
        return write_yaml(as_written(self))

    def save(self, path: Path | str) -> None:
        """Write the spec as a YAML file, which `aca-ray run` takes; relative data paths are then relative to it.

        Raises:
            ConfigError: the file can't be written.
        """
        try:
            Path(path).write_text(self.to_yaml(), encoding="utf-8")
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"{path}: cannot be written ({reason}); give the path of a file in a folder") from error

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Return the spec in a YAML text; the names in it and its data are checked when a sweep is made of it.

        Raises:
            ConfigError: the text is not YAML, or a value is wrong; lists all problems.
        """
        return cls(**read_mapping(text, cls.model_fields))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Return the spec in a YAML file; see `from_yaml`."""
        return cls(**read_mapping(read_spec(Path(path)), cls.model_fields, str(path)))
