"""The mirror of one sweep in MLflow: an experiment, a parent run, and one child run per trial."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

import requests
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE

from aca_ray.errors import SweepError
from aca_ray.records import AllocationFolder, AllocationSummary, SearchRecord, SweepRecord, TrialFolder
from aca_ray.storage import StoragePath
from aca_ray.tracking import limits
from aca_ray.tracking.artifacts import Artifacts
from aca_ray.tracking.delivery import Delivery
from aca_ray.tracking.description import changed_params, dataset_input, params, run_name, run_tags, version_files
from aca_ray.tracking.links import with_links
from aca_ray.tracking.machine import DriverMachine
from aca_ray.tracking.points import MARKER, allocation_points, batches, end_time, metric_key, result_points, row_points
from aca_ray.tracking.store import Store
from aca_ray.tracking.views import View, views

_FINGERPRINT = "aca.fingerprint"
_ERROR = "aca.error"
_FILES = "aca.files"
_VERSIONS = "aca.spec_versions"
_PAGE = 500
_FINISHED = "finished_trials"  # metric of the parent run: its curve shows the progress of the sweep
_PRIMARY = "mlflow.experiment.primaryMetric.name"  # else MLflow makes a chart of a metric that the parent run lacks
_SOURCE = {MLFLOW_SOURCE_NAME: "aca-ray", MLFLOW_SOURCE_TYPE: "LOCAL"}  # the column Source of the runs


@dataclass
class _Child:
    """The known state of a trial's run in MLflow."""

    run_id: str
    artifacts: Artifacts
    status: str
    epoch: int = 0
    params: set[str] = field(default_factory=set)
    has_data: bool = False
    tags: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(run: Run, tracking_uri: str) -> _Child:
        """Return the state of an existing run."""
        return _Child(
            run_id=run.info.run_id,
            artifacts=Artifacts(run, tracking_uri),
            status=run.info.status,
            epoch=int(run.data.metrics.get(MARKER, 0)),
            params=set(run.data.params),
            has_data=bool(run.inputs and run.inputs.dataset_inputs),
            tags=dict(run.data.tags),
        )


class Tracker:
    """Reconciles MLflow with the records of one sweep, which are the source of truth.

    Every method may be called again at any time, in this process or a later one, and MLflow ends up with one run per
    trial and every step once. There must be only one tracker of a sweep at a time (the sweep's lock ensures it), used
    from one thread. After `open`, no method raises because of MLflow: work that fails is kept and retried at later
    calls, and `flush` returns whether any is left.
    """

    def __init__(self, store: Store, sweep: str, fingerprint: str, *, pause_seconds: float = 30.0) -> None:
        """Prepare; connects to a database, but not to a server.

        Args:
            store: store of MLflow.
            sweep: name of the sweep and of its experiment.
            fingerprint: identity of the sweep, which identifies its parent run and stays the same when it grows.
            pause_seconds: pause after MLflow could not be reached.

        Raises:
            StorageError: see `Store.client`.
        """
        self._client = store.client()
        self._store = store
        self._sweep = sweep
        self._fingerprint = fingerprint
        self._delivery = Delivery(self._forget, pause_seconds)
        self._machine = DriverMachine()
        self._experiment_id = ""
        self._parent: Run | None = None
        self._children: dict[str, _Child] = {}
        self._num_counted = -1

    def open(
        self, spec_text: str, spec: Mapping[str, Any], description: str, versions: Sequence[tuple[int, str]] = ()
    ) -> None:
        """Find or create the experiment and the parent run, and set the run RUNNING.

        MLflow's params can't change. After a sweep has grown they are still those of the first version, and the tags
        ``aca.spec.<param>`` have the changed values of the newest version.

        Args:
            spec_text: YAML of the sweep, stored as the artifact spec.yaml.
            spec: fingerprinted half of the spec, logged as params.
            description: text for the pages of the experiment and the parent run.
            versions: (ms since 1970, YAML) of every version of the spec, the oldest first; two or more are stored as
                artifacts in spec_versions.

        Raises:
            SweepError: MLflow answered and refused (permissions, schema, host name). Not raised if it is unreachable.
        """
        self._delivery.discard(["sweep's interruption", "comparison"])
        try:
            self._delivery.require("sweep", partial(self._open, spec_text, spec, description, tuple(versions)))
        except (MlflowException, requests.RequestException, OSError) as refusal:
            raise SweepError(
                f"runtime.tracking: MLflow at {self._store.uri} refused to open the sweep {self._sweep!r}: {refusal}; "
                "fix the store, or the user it sees (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD), or set "
                "runtime.tracking to null to use a file in runtime.storage"
            ) from refusal

    def sync(self, record: SweepRecord, folder: TrialFolder) -> None:
        """Bring a trial's run up to date with its record; makes no request if nothing is new.

        Args:
            record: record of the trial.
            folder: folder of the trial.
        """
        self._delivery.submit(f"{record.kind} {record.fingerprint}", partial(self._sync, record, folder))
        now = time.time_ns() // 1_000_000
        if values := self._machine.due(now):
            self._delivery.submit("system metrics", partial(self._sync_machine, values, now))

    def sync_allocation(
        self, search_record: SearchRecord, folder: AllocationFolder, epoch: int, main_plan: str = "sign"
    ) -> None:
        """Log the allocation of a milestone by a ranker to the run of its search, and again after plans were added.

        Args:
            search_record: record of the search.
            folder: folder of the allocation, named after the ranker; nothing is logged while it has no summary.
            epoch: epoch of the milestone.
            main_plan: kind of plans whose kept share is logged edge by edge.
        """
        key = f"allocation {search_record.fingerprint} epoch {epoch} {folder.path.name}"
        self._delivery.submit(key, partial(self._sync_allocation, search_record, folder, epoch, main_plan))

    def sync_comparison(self, folder: StoragePath) -> None:
        """Upload the files of the comparison so far to the parent run."""
        self._delivery.submit("comparison so far", partial(self._upload_comparison, folder))

    def finish(self, comparison_folder: StoragePath, metrics: Mapping[str, float]) -> None:
        """Log the files and metrics of the comparison to the parent run and set it FINISHED."""
        self._delivery.submit("comparison", partial(self._finish, comparison_folder, dict(metrics)))

    def interrupt(self) -> None:
        """Set the parent run and its running children KILLED; `open` and `sync` set them RUNNING again."""
        self._delivery.submit("sweep's interruption", self._interrupt)

    def flush(self, patience_seconds: float = 0.0) -> bool:
        """Try to log all waiting work at once; return whether MLflow is complete now.

        Args:
            patience_seconds: how long to retry while MLflow cannot be reached.
        """
        return self._delivery.flush(patience_seconds)

    def _forget(self) -> None:
        self._parent = None
        self._children = {}

    def _load(self) -> Run:
        """Return the parent run, found or created, and load its children."""
        if self._parent is None:
            self._experiment_id = self._find_experiment()
            parent = self._find_parent()
            self._children = self._find_children(parent)
            self._parent = parent
        return self._parent

    def _find_experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self._sweep)
        if experiment is None:
            root = self._store.artifact_root
            location = f"{root}/{quote(self._sweep)}" if root else None
            # Without this kind, the page opens with the views for language models.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return str(self._client.create_experiment(self._sweep, location, kind))
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _find_parent(self) -> Run:
        tags = {_FINGERPRINT: self._fingerprint, "aca.kind": "sweep"}
        condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        found = self._client.search_runs([self._experiment_id], condition, order_by=["attributes.start_time ASC"])
        if found:
            return found[0]
        return self._client.create_run(self._experiment_id, tags={**tags, **_SOURCE}, run_name=self._sweep)

    def _find_children(self, parent: Run) -> dict[str, _Child]:
        """Return the parent's child runs by fingerprint; of two runs of a trial, the shorter one is deleted.

        Two can exist if an answer was lost and a proxy or gateway sent the request again.
        """
        children: dict[str, _Child] = {}
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.info.run_id}'",
                max_results=_PAGE,
                page_token=token,
            )
            for run in page:
                child = _Child.of(run, self._store.uri)
                other = children.get(child.tags[_FINGERPRINT])
                if other is not None:
                    child, lesser = (child, other) if child.epoch > other.epoch else (other, child)
                    self._client.delete_run(lesser.run_id)
                children[child.tags[_FINGERPRINT]] = child
            token = page.token
            if not token:
                return children

    def _open(
        self, spec_text: str, spec: Mapping[str, Any], description: str, versions: Sequence[tuple[int, str]]
    ) -> None:
        parent = self._load()
        run_id = parent.info.run_id
        saved = views(spec)
        page = with_links(description, self._experiment_id, run_id, saved)
        note = limits.shortened(page, limits.EXPERIMENT_TAG)
        self._tag_experiment({MLFLOW_RUN_NOTE: note, _PRIMARY: _FINISHED}, saved, parent.info.start_time)
        # Logged params can't change, and MLflow refuses a batch that tries.
        values, logged = params(spec), parent.data.params
        new = {name: value for name, value in values.items() if name not in logged}
        tags = {MLFLOW_RUN_NOTE: limits.shortened(page, limits.TAG), **changed_params(values, parent.data)}
        if len(versions) > 1:
            tags[_VERSIONS] = str(len(versions))
        self._client.log_batch(run_id, (), _params(new), [RunTag(*tag) for tag in tags.items()])
        # An earlier driver may have died after a trial's end and before its count.
        self._num_counted = int(parent.data.metrics.get(_FINISHED, -1.0))
        if self._num_finished > self._num_counted:
            self._log_count(time.time_ns() // 1_000_000)
        artifacts = Artifacts(parent, self._store.uri)
        artifacts.write({"spec.yaml": spec_text.encode()})
        if len(versions) > 1:
            artifacts.write(version_files(versions), "spec_versions")
        self._client.update_run(run_id, status="RUNNING")

    def _tag_experiment(self, tags: Mapping[str, str], saved: Iterable[View], time_ms: int) -> None:
        """Set tags and saved views of the experiment, as far as they are new."""
        existing = self._client.get_experiment(self._experiment_id).tags
        for name, value in {**tags, **{view.tag: view.text(time_ms) for view in saved}}.items():
            if existing.get(name) != value:
                self._client.set_experiment_tag(self._experiment_id, name, value)

    def _child(self, record: SweepRecord) -> _Child:
        """Return the state of a trial's run, found or created."""
        parent = self._load()
        fingerprint = record.fingerprint
        if fingerprint not in self._children:
            tags = {**run_tags(record), **_SOURCE, MLFLOW_PARENT_RUN_ID: parent.info.run_id}
            start = record.rows[0].time_ms if record.rows else None
            run = self._client.create_run(self._experiment_id, start, tags, run_name(record))
            self._children[fingerprint] = _Child.of(run, self._store.uri)
        return self._children[fingerprint]

    def _sync(self, record: SweepRecord, folder: TrialFolder) -> None:
        child = self._child(record)
        self._sync_data(child, record)
        status = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED"}[record.state]
        ended = status != "RUNNING" and child.status != status
        rows = row_points(record, child.epoch)
        tags: dict[str, str] = {}
        if ended and record.state == "finished":
            self._upload_results(child, record, folder)
        if record.state == "failed":
            if ended:
                tags |= self._upload_error(child, record.error or "no traceback was recorded")
        elif _ERROR in child.tags:
            self._client.delete_tag(child.run_id, _ERROR)
            del child.tags[_ERROR]
        self._log(child, [*rows, result_points(record)] if ended else rows, params(record.trial.to_json()), tags)
        child.epoch = max([child.epoch, *(row.epoch for row in record.rows)])
        # Last: a FINISHED run is complete, and if this process dies before this line, the next sync repeats the work.
        end_ms = end_time(record)
        if ended:
            self._client.set_terminated(child.run_id, status, end_ms)
        elif child.status != status:
            self._client.update_run(child.run_id, status=status)
        child.status = status
        if self._num_finished > self._num_counted:
            self._log_count(end_ms or time.time_ns() // 1_000_000)

    @property
    def _num_finished(self) -> int:
        return sum(child.status == "FINISHED" for child in self._children.values())

    def _log_count(self, time_ms: int) -> None:
        """Log the number of finished trials to the parent run; the number is its step too."""
        count = self._num_finished
        self._client.log_batch(self._load().info.run_id, [Metric(_FINISHED, float(count), time_ms, count)])
        self._num_counted = count

    def _sync_machine(self, values: Mapping[str, float], time_ms: int) -> None:
        """Log the load of the driver's machine to the parent run, whose steps are minutes since its start."""
        info = self._load().info
        minute = max(0, time_ms - info.start_time) // 60_000
        self._client.log_batch(info.run_id, [Metric(name, value, time_ms, minute) for name, value in values.items()])

    def _sync_data(self, child: _Child, record: SweepRecord) -> None:
        """Log the data set, once."""
        data = None if child.has_data else dataset_input(record)
        if data is not None:
            self._client.log_inputs(child.run_id, [data])
            child.has_data = True

    def _log(
        self, child: _Child, groups: Iterable[list[Metric]], settings: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        """Log points, new settings and tags, in as few requests as possible: usually one."""
        new = {name: value for name, value in settings.items() if name not in child.params}
        first, *others = [*batches(groups)] or [[]]
        self._client.log_batch(child.run_id, first, _params(new), [RunTag(*tag) for tag in tags.items()])
        child.params |= set(new)
        child.tags |= tags
        for batch in others:
            self._client.log_batch(child.run_id, batch)

    def _upload_results(self, child: _Child, record: SweepRecord, folder: TrialFolder) -> None:
        """Upload the files of a finished trial."""
        files = {path.name: path.read_bytes() for path in folder.tracked_files if path.is_file()}
        assert record.genotype is not None  # it has finished
        files["genotype.json"] = json.dumps(record.genotype.to_json(), indent=1).encode()
        child.artifacts.write(files)

    def _upload_error(self, child: _Child, text: str) -> dict[str, str]:
        """Upload a traceback as error.txt and return the tag with its last line, which names the error."""
        child.artifacts.write({"error.txt": text.encode()})
        return {_ERROR: limits.shortened(text.strip().splitlines()[-1], limits.TAG)}

    def _sync_allocation(
        self, search_record: SearchRecord, folder: AllocationFolder, epoch: int, main_plan: str
    ) -> None:
        file = folder.summary
        if not file.is_file():
            return
        child = self._child(search_record)
        target = f"milestones/epoch_{epoch:04d}/{folder.path.name}"
        tag, digest = f"{_FILES}.{target.replace('/', '.')}", hashlib.sha256(file.read_bytes()).hexdigest()
        if child.tags.get(tag) == digest:  # the file is written last in every change
            return
        points = allocation_points(AllocationSummary.read(folder), main_plan, end_time(search_record, epoch) or 0)
        for path in folder.path.iterdir():
            if path.is_file():
                child.artifacts.upload(path, target)
        self._log(child, [points], {}, {tag: digest})

    def _finish(self, comparison_folder: StoragePath, metrics: Mapping[str, float]) -> None:
        run_id = self._load().info.run_id
        logged = self._client.get_run(run_id).data.metrics
        metrics = {metric_key(name): value for name, value in metrics.items()}
        # A repeated comparison may differ: of several points at one step, the newest is valid.
        now = time.time_ns() // 1_000_000
        changed = [Metric(name, float(value), now, 0) for name, value in metrics.items() if logged.get(name) != value]
        for batch in batches([changed]):
            self._client.log_batch(run_id, batch)
        self._upload_comparison(comparison_folder)
        self._client.set_terminated(run_id, "FINISHED")

    def _upload_comparison(self, folder: StoragePath) -> None:
        if folder.is_dir():
            Artifacts(self._load(), self._store.uri).upload_folder(folder, "comparison")

    def _interrupt(self) -> None:
        parent = self._load()
        for child in self._children.values():
            if child.status == "RUNNING":
                self._client.set_terminated(child.run_id, "KILLED")
                child.status = "KILLED"
        self._client.set_terminated(parent.info.run_id, "KILLED")


def _params(values: Mapping[str, str]) -> list[Param]:
    return [Param(name, value) for name, value in values.items()]
