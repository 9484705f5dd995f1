"""Channel scores as a value and as a file."""

from __future__ import annotations

from dataclasses import replace

import pyarrow
import pytest
from pyarrow import parquet

from aca_ray.channels import ChannelScores, EdgeScores
from aca_ray.errors import ConfigError, DataError, StorageError

EDGE = EdgeScores(0, 0, 0, "sep_conv_3x3", 0, 2, 0.3, (0.1, -1 / 3, 1e-300), (0.1, 0.01, 1.0))


def test_file_round_trip(search, tmp_path) -> None:
    path = tmp_path / "scores.parquet"
    for ranker in ("taylor_identity", "l1", "random"):
        scores = search.rank(ranker)
        scores.write_parquet(path)
        assert ChannelScores.read_parquet(path) == scores
    table = parquet.read_table(path)
    assert table.num_rows == sum(len(edge.scores) for edge in scores.edges)
    assert table.schema.metadata[b"ranking"] == b"random"
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]


def test_refuses_other_files(tmp_path) -> None:
    path = tmp_path / "scores.parquet"
    with pytest.raises(StorageError, match=r"scores\.parquet: .*read"):
        ChannelScores.read_parquet(path)
    parquet.write_table(pyarrow.table({"a": [1]}), path)
    with pytest.raises(StorageError, match=r"scores\.parquet.*written"):
        ChannelScores("l1", (EDGE,)).write_parquet(path / "scores.parquet")
    with pytest.raises(
        DataError, match=r"scores\.parquet: .*'aca_ray\.channel_scores' version 1, found None .*\['a'\]"
    ):
        ChannelScores.read_parquet(path)
    path.write_bytes(b"PAR1 cut off")
    with pytest.raises(DataError, match=r"scores\.parquet: .*Parquet.*rank .*again"):
        ChannelScores.read_parquet(path)


def test_decided_share_counts_channels_with_an_error() -> None:
    unknown = replace(EDGE, cell=1, standard_errors=None)
    assert ChannelScores("taylor_identity", (EDGE, unknown)).decided_share == pytest.approx(1 / 3)
    assert ChannelScores("random", (unknown,)).decided_share is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"strength": 1.5}, r"strength .*\[0, 1\], found 1\.5"),
        ({"scores": (float("nan"), 0.0, 0.0)}, r"score.*found \(nan, 0\.0, 0\.0\)"),
        ({"scores": (), "standard_errors": None}, r"score.*found \(\)"),
        ({"standard_errors": (0.1,)}, r"standard error.*found 1 for 3"),
    ],
)
def test_refuses_impossible_scores(wrong, message) -> None:
    with pytest.raises(ConfigError, match=rf"cell 0, edge 0-2 \(sep_conv_3x3\): .*{message}"):
        replace(EDGE, **wrong)
