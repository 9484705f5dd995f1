"""The artifact files of an MLflow run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

from aca_ray.storage import StoragePath, local_copy


class Artifacts:
    """Uploads files of a run. MLflow's client first requests the artifact location of each run; this class does not.

    Args:
        run: run as returned by the store.
        tracking_uri: tracking URI of the store.
    """

    def __init__(self, run: Run, tracking_uri: str) -> None:
        uri = add_databricks_profile_info_to_artifact_uri(run.info.artifact_uri, tracking_uri)
        self._repository = get_artifact_repository(uri, tracking_uri=tracking_uri)

    def upload(self, path: StoragePath, folder: str | None = None) -> None:
        """Upload a file, local or in an object store, to a folder of the run's artifacts."""
        with local_copy(path) as file:
            self._repository.log_artifact(str(file), folder)

    def upload_folder(self, path: StoragePath, folder: str) -> None:
        """Upload all files below a path, with subfolders, to a folder of the run's artifacts; links are skipped."""
        for entry in path.iterdir():
            if isinstance(entry, Path) and entry.is_symlink():
                continue
            if entry.is_dir():
                self.upload_folder(entry, f"{folder}/{entry.name}")
            elif entry.is_file():
                self.upload(entry, folder)

    def write(self, files: Mapping[str, bytes], target: str | None = None) -> None:
        """Upload contents, by file name, to the run's artifacts or to a folder of them, all in one call."""
        with TemporaryDirectory(prefix="aca_ray-") as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            self._repository.log_artifacts(folder, target)
