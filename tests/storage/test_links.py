"""Links in a results folder: writes, locks and deletions do not follow them."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

import pytest
import torch

from aca_ray.errors import CheckpointError, StorageError
from aca_ray.records import SearchRecord, TrialRecord
from aca_ray.storage import CheckpointFolder, read_json, write_bytes, write_json
from aca_ray.storage.files import TEMPORARY_MARK, remove_leftovers, write_whole
from aca_ray.storage.lock import exclusive, is_held


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Return a file that must not change."""
    path = tmp_path / "victim"
    path.write_bytes(b"precious")
    return path


def temporary_names(folder: Path, count: int) -> list[str]:
    """Write a file `count` times; return the temporary names."""
    names: list[str] = []

    def write(temporary: Path) -> None:
        names.append(temporary.name)
        temporary.write_bytes(b"x")

    for _ in range(count):
        write_whole(folder / "record.json", write)
    return names


def test_temporary_names_cannot_be_predicted(tmp_path: Path, victim: Path) -> None:
    names = temporary_names(tmp_path / "trial", 5)
    assert len(set(names)) == 5
    assert not any(str(os.getpid()) == name.partition(TEMPORARY_MARK)[2].partition(".")[0] for name in names)
    # A link with a predictable name, from the process id.
    (tmp_path / "trial" / f"record{TEMPORARY_MARK}{os.getpid()}.json").symlink_to(victim)
    write_json(tmp_path / "trial" / "record.json", 1)
    assert victim.read_bytes() == b"precious"


def test_a_link_at_the_temporary_name_is_not_followed(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0" * 16)
    (name,) = temporary_names(tmp_path / "trial", 1)
    (tmp_path / "trial" / name).symlink_to(victim)
    with pytest.raises(StorageError, match=r"record\.json: .*File exists"):
        write_bytes(tmp_path / "trial" / "record.json", b"mine")
    assert victim.read_bytes() == b"precious"


def test_a_link_in_place_of_a_file_is_replaced(tmp_path: Path, victim: Path) -> None:
    (path := tmp_path / "record.json").symlink_to(victim)
    write_json(path, [1])
    assert not path.is_symlink()
    assert read_json(path) == [1]
    assert victim.read_bytes() == b"precious"


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    assert write_bytes(tmp_path / "ours", b"").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("name", ["checkpoints", "milestones"])
def test_a_linked_checkpoint_folder_is_refused(tmp_path: Path, name: str) -> None:
    others = CheckpointFolder(tmp_path / "other" / name, "a" * 64)
    for epoch in (1, 2):
        others.write(epoch, 0, {}, {"weights": torch.zeros(1)})
    before = sorted((tmp_path / "other" / name).iterdir())
    leftover = tmp_path / "other" / name / f"epoch{TEMPORARY_MARK}{'0' * 16}.ckpt"
    leftover.write_bytes(b"")
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / name).symlink_to(tmp_path / "other" / name)
    folder = CheckpointFolder(tmp_path / "trial" / name, "b" * 64, num_kept=1)
    for use in (folder.newest, folder.clear, lambda: folder.is_empty, lambda: folder.write(3, 0, {}, {})):
        with pytest.raises(CheckpointError, match=rf"trial/{name}: .*folder.*link to .*other/{name}"):
            use()
    assert sorted((tmp_path / "other" / name).iterdir()) == sorted([*before, leftover])


def test_a_linked_checkpoint_is_unlinked_without_its_target(tmp_path: Path, victim: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints", "a" * 64)
    path = folder.write(1, 0, {}, {"weights": torch.zeros(1)})
    path.with_name("epoch_00002_step_0000000.ckpt").symlink_to(victim)
    folder.clear()
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert victim.read_bytes() == b"precious"


def test_leftovers_of_killed_writers_are_deleted_and_files_being_written_stay(tmp_path: Path, victim: Path) -> None:
    names = [f"a{TEMPORARY_MARK}{'0' * 16}.json", f"a{TEMPORARY_MARK}4711.json", f"a{TEMPORARY_MARK}{'f' * 16}"]
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / f"b{TEMPORARY_MARK}{'1' * 16}.json").symlink_to(victim)
    os.mkfifo(tmp_path / f"c{TEMPORARY_MARK}{'2' * 16}.json")
    kept = [f"notes{TEMPORARY_MARK}of-mine.txt", f"folder{TEMPORARY_MARK}1"]
    (tmp_path / kept[0]).write_bytes(b"")
    (tmp_path / kept[1]).mkdir()
    seen: list[list[str]] = []

    def write(temporary: Path) -> None:
        temporary.write_bytes(b"whole")
        remove_leftovers(tmp_path)
        seen.append(sorted({path.name for path in tmp_path.iterdir()} - {temporary.name}))
        assert temporary.exists()

    write_whole(tmp_path / "record.json", write)
    assert seen == [sorted([*kept, "victim"])]
    assert (tmp_path / "record.json").read_bytes() == b"whole"
    assert victim.read_bytes() == b"precious"


def test_a_file_system_without_locks_is_usable(
    tmp_path: Path, search_begun: SearchRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    search_begun.write(tmp_path)
    assert TrialRecord.read(tmp_path) == search_begun


@pytest.mark.timeout(20)
def test_a_lock_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    (link := tmp_path / "link").symlink_to(tmp_path / "made elsewhere")
    os.mkfifo(pipe := tmp_path / "pipe")
    for path in (link, pipe, tmp_path):
        with (
            pytest.raises(StorageError, match=f"{path.name}: the lock file .*move it away"),
            exclusive(path, wait=False),
        ):
            pytest.fail("got a lock")
    assert not (tmp_path / "made elsewhere").exists()
    assert pipe.exists()
    assert not is_held(pipe)
    with pytest.raises(StorageError, match=r"link: the lock file .*symbolic links"):
        is_held(link)
