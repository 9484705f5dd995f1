"""The files of one run in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

from aca_ray.storage import StoragePath, local_copy


class Artifacts:
    """Uploads files of a run; unlike MLflow's client, which asks for each run where they go, without a request for it.

    Args:
        run: as the store returned it.
        tracking_uri: of the store.
    """

    def __init__(self, run: Run, tracking_uri: str) -> None:
        uri = add_databricks_profile_info_to_artifact_uri(run.info.artifact_uri, tracking_uri)
        self._repository = get_artifact_repository(uri, tracking_uri=tracking_uri)

    def upload(self, path: StoragePath, folder: str | None = None) -> None:
        """Upload a file, wherever it is stored, to a folder of the run's artifacts."""
        with local_copy(path) as file:
            self._repository.log_artifact(str(file), folder)

    def upload_folder(self, path: StoragePath, folder: str) -> None:
        """Upload the files below a path, as they lie there, to a folder of the run's artifacts; links are left out."""
        for entry in path.iterdir():
            if isinstance(entry, Path) and entry.is_symlink():
                continue
            if entry.is_dir():
                self.upload_folder(entry, f"{folder}/{entry.name}")
            elif entry.is_file():
                self.upload(entry, folder)

    def write(self, files: Mapping[str, bytes], target: str | None = None) -> None:
        """Upload contents, by name, as files of the run's artifacts or of a folder of them, all in one call."""
        with TemporaryDirectory(prefix="aca_ray-") as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            self._repository.log_artifacts(folder, target)
