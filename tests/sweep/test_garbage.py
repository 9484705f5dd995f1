"""What can be deleted of a sweep: by class, on a disk and in an object store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aca_ray import api
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.storage import StoragePath, storage_path, write_bytes
from aca_ray.storage.files import files_below, name_below
from aca_ray.sweep.garbage import find_garbage
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import search_orders

if TYPE_CHECKING:
    from conftest import ObjectStore


def found_in(sweep: Sweep) -> dict[str, list[str]]:
    """Return the names of the files by class."""
    return {one.name: sorted(name_below(path, sweep.folder.path) for path in one.files) for one in find_garbage(sweep)}


def test_the_checkpoints_of_a_search_that_runs_are_kept(begun: Sweep) -> None:
    (search,) = search_orders(begun)
    assert len(list(Path(str(search.folder)).rglob("*.ckpt"))) == 2  # a milestone and a rolling one
    assert found_in(begun) == {"leftovers": [], "abandoned": [], "milestones": [], "weights": []}


@pytest.mark.parametrize("place", ["disk", "object store"])
def test_what_an_older_spec_left_behind(
    begun: Sweep, place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (search,) = search_orders(begun)
    Path("spec.yaml").write_text(begun.text.replace("seeds: [0]", "seeds: [1]"))
    sweep = api.create("spec.yaml")
    if place == "object store":
        store: ObjectStore = request.getfixturevalue("object_store")
        sweep = copied(sweep, storage_path(store.uri("results")))
    write_bytes(sweep.folder.path / "driver.part-0123456789abcdef.log", b"12345")
    leftovers, abandoned, _, _ = find_garbage(sweep)
    folder = f"searches/{search.trial.short}"
    assert found_in(sweep)["leftovers"] == ["driver.part-0123456789abcdef.log"]
    assert [name.rpartition("/")[0] for name in found_in(sweep)["abandoned"]] == [
        f"{folder}/checkpoints",
        f"{folder}/milestones",
    ]
    assert leftovers.num_bytes == 5
    assert abandoned.num_bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.ckpt"))
    for one in (leftovers, abandoned):
        one.delete()
    assert found_in(sweep) == {"leftovers": [], "abandoned": [], "milestones": [], "weights": []}
    record = TrialRecord.read(sweep.folder.folder("search", search.trial.short).path)
    assert record is not None
    assert record.epoch == 1


def copied(sweep: Sweep, storage: StoragePath) -> Sweep:
    """Return a sweep copied into other storage."""
    for path in files_below(sweep.folder.path):
        assert isinstance(path, Path)
        place = storage / sweep.spec.name
        for part in name_below(path, sweep.folder.path).split("/"):
            place = place / part
        write_bytes(place, path.read_bytes())
    return api.find(sweep.spec.name, storage)


def test_links_are_not_followed(begun: Sweep, tmp_path: Path) -> None:
    (search,) = search_orders(begun)
    folder = TrialFolder(search.folder).checkpoints
    assert isinstance(folder, Path)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    Path("spec.yaml").write_text(begun.text.replace("seeds: [0]", "seeds: [1]"))
    names = found_in(api.create("spec.yaml"))["abandoned"]
    assert [name.split("/")[2] for name in names] == ["milestones"]
