"""Scores of every channel of every kept edge, as a value and as a file."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from aca_ray.errors import ConfigError, DataError
from aca_ray.storage import StoragePath
from aca_ray.storage.bounded import SCORES_BYTES, read_bytes
from aca_ray.storage.files import write_whole

SCHEMA = "aca_ray.channel_scores"
SCHEMA_VERSION = 1

# Two-sided 95 % quantile of the normal distribution.
DECIDED_STANDARD_ERRORS = 1.96


@dataclass(frozen=True)
class EdgeScores:
    """The scores of one kept edge in one cell of the supernet.

    Attributes:
        cell: index of the cell in the supernet.
        stage: the cell's stage, 0 to 4.
        genotype_edge: index into the edges of the genotype's cell.
        operation: the kept operation, whose channels are scored.
        source: node that the edge reads.
        target: node that the edge is summed into.
        strength: the operation's share of the mixing weights of all the edge's candidates except `none`, in [0, 1].
        scores: (C,) one per channel that passes through the operation, larger = more important to the operation.
        standard_errors: (C,) standard error of every score over images; None if the score is not a mean over images, or
            over a single image.
    """

    cell: int
    stage: int
    genotype_edge: int
    operation: str
    source: int
    target: int
    strength: float
    scores: tuple[float, ...]
    standard_errors: tuple[float, ...] | None

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise ConfigError(f"{self.place}: strength must be in [0, 1], found {self.strength}")
        if not self.scores or not all(map(math.isfinite, self.scores)):
            raise ConfigError(f"{self.place}: needs at least one score and only finite ones, found {self.scores}")
        if self.standard_errors is not None and len(self.standard_errors) != len(self.scores):
            raise ConfigError(
                f"{self.place}: needs one standard error per score, "
                f"found {len(self.standard_errors)} for {len(self.scores)} scores"
            )

    @property
    def place(self) -> str:
        """Place in the supernet, for messages."""
        return f"channel scores, cell {self.cell}, edge {self.source}-{self.target} ({self.operation})"


@dataclass(frozen=True)
class ChannelScores:
    """The scores of a whole supernet.

    Attributes:
        ranking: name of the ranker.
        edges: one entry per cell and kept edge, cells ascending, within a cell in genotype order.
    """

    ranking: str
    edges: tuple[EdgeScores, ...]

    @property
    def decided_share(self) -> float | None:
        """Share of the channels whose score is more than 1.96 standard errors from zero, in [0, 1].

        Channels without a standard error are not counted; None if no channel has one. Meaningful only for signed
        scores: a score that cannot be negative is nearly always decided.
        """
        decided = [
            abs(score) > DECIDED_STANDARD_ERRORS * error
            for edge in self.edges
            if edge.standard_errors is not None
            for score, error in zip(edge.scores, edge.standard_errors, strict=True)
        ]
        return sum(decided) / len(decided) if decided else None

    def write_parquet(self, path: StoragePath) -> None:
        """Write one row per channel, atomically, and create the folder.

        Raises:
            StorageError: the file can't be written.
        """
        import pyarrow
        from pyarrow import parquet

        columns: dict[str, list[Any]] = {name: [] for name in _schema().names}
        for edge in self.edges:
            errors = edge.standard_errors or (None,) * len(edge.scores)
            for channel, (score, error) in enumerate(zip(edge.scores, errors, strict=True)):
                row = {**_edge_fields(edge), "channel": channel, "score": score, "standard_error": error}
                for name, value in row.items():
                    columns[name].append(value)
        metadata = {"schema": SCHEMA, "version": str(SCHEMA_VERSION), "ranking": self.ranking}
        table = pyarrow.table(columns, schema=_schema().with_metadata(metadata))
        write_whole(path, lambda temporary: parquet.write_table(table, temporary))

    @staticmethod
    def read_parquet(path: StoragePath) -> ChannelScores:
        """Return the scores that `write_parquet` wrote, equal to the last bit.

        Raises:
            StorageError: the file can't be opened.
            DataError: it is not a file of channel scores, or of another version.
        """
        import pyarrow
        from pyarrow import parquet

        content = read_bytes(path, SCORES_BYTES)
        try:
            table = parquet.read_table(pyarrow.BufferReader(content))
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(
                f"{path}: needs a Parquet file of channel scores ({error}); rank the channels again"
            ) from error
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        found = metadata.get("schema"), metadata.get("version")
        if found != (SCHEMA, str(SCHEMA_VERSION)) or table.schema.names != _schema().names:
            raise DataError(
                f"{path}: needs schema {SCHEMA!r} version {SCHEMA_VERSION}, found {found[0]!r} version {found[1]!r} "
                f"with columns {table.schema.names}; rank the channels again"
            )
        edges = []
        for _, group in itertools.groupby(table.to_pylist(), key=lambda row: (row["cell"], row["genotype_edge"])):
            rows = list(group)
            edges.append(
                EdgeScores(
                    **{name: rows[0][name] for name in _EDGE_FIELDS},
                    scores=tuple(row["score"] for row in rows),
                    standard_errors=None
                    if rows[0]["standard_error"] is None
                    else tuple(row["standard_error"] for row in rows),
                )
            )
        return ChannelScores(metadata["ranking"], tuple(edges))


_EDGE_FIELDS = ("cell", "stage", "genotype_edge", "operation", "source", "target", "strength")


def _edge_fields(edge: EdgeScores) -> dict[str, Any]:
    return {name: getattr(edge, name) for name in _EDGE_FIELDS}


def _schema() -> Any:
    import pyarrow

    types = {"operation": pyarrow.string(), "strength": pyarrow.float64()}
    return pyarrow.schema(
        [
            *((name, types.get(name, pyarrow.int32())) for name in _EDGE_FIELDS),
            ("channel", pyarrow.int32()),
            ("score", pyarrow.float64()),
            ("standard_error", pyarrow.float64()),
        ]
    )
