"""Tiny searches on images that can be told apart, and an object store that can fail."""

from __future__ import annotations

import math
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from aca_ray.contract import small
from aca_ray.data import SearchData
from aca_ray.methods.core import SearchMethod
from aca_ray.nn.fused import fuse
from aca_ray.search.search import Accelerator, Search
from aca_ray.space import PUBLISHED, Space

if find_spec("pydantic") is not None:  # the packages of the algorithms, and their tests, need no records
    from aca_ray.records import (
        DataFacts,
        LookUpRecord,
        LookUpResult,
        RetrainingResult,
        SearchRecord,
        SearchResult,
        TableFacts,
        TrialRecord,
    )
    from aca_ray.space.trials import NetworkTrial, SearchTrial
    from aca_ray.trials.datasets import DataRef
    from aca_ray.trials.new_record import new_record, new_search
    from aca_ray.trials.resumable import ResumableTrial
    from aca_ray.trials.searching import open_search

BuildSearch = Callable[..., Search]
CPU = torch.device("cpu")


# The packages of the algorithms need neither, and are tested where these are missing.
if find_spec("ray") is None or find_spec("mlflow") is None:
    collect_ignore = ["cluster", "deploy", "driver", "integration", "tracking", "trials"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each worker of xdist whole files, whose fixtures are then made once; skip what needs a GPU without one.

    The tests of the undisturbed sweep, which takes a minute, are one group, whichever files they are in.
    """
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))
        file = item.nodeid.partition("::")[0]
        shares = "undisturbed" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("undisturbed" if shares else file))


@pytest.fixture(scope="session")
def data_facts() -> DataFacts:
    """The digits, as a record describes them."""
    return DataFacts(
        name="digits",
        num_classes=10,
        class_names=tuple("0123456789"),
        channels=1,
        height=8,
        width=8,
        mean=(0.3,),
        std=(0.4,),
        digest="d" * 64,
        source="sklearn",
        augmentation="crop",
        num_images=64,
    )


@pytest.fixture(scope="session")
def finished_record(data_facts: DataFacts) -> Callable[[SearchTrial | NetworkTrial], TrialRecord]:
    """Return a function that makes the record of a finished trial, without rows."""

    def make(trial: SearchTrial | NetworkTrial) -> TrialRecord:
        record, result = new_record(trial), RetrainingResult(0.5, 0.5, 10, 20, 5, 11, 0.0)
        if isinstance(record, SearchRecord):
            result = SearchResult(5, 11)
        elif isinstance(record, LookUpRecord):
            result = LookUpResult(**vars(result), regret=0.25, rank=2, table=TableFacts(4, 0.75, None))
        return replace(
            record,
            state="finished",
            epoch=record.num_epochs,
            genotype=PUBLISHED["DARTS_V2"],
            result=result,
            data_info=data_facts,
            environment={"device": "cpu"},
        )

    return make


@pytest.fixture(scope="session")
def search_begun() -> SearchRecord:
    """The record of a search that has not finished an epoch."""
    network = {"channels": 4, "cells": 3}
    return new_search(SearchTrial("darts", "searched", "darts", 0, 2, {"name": "digits"}, network, None))


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def search_data() -> SearchData:
    """Images of 8x8 pixels in three classes, 16 in either split."""
    return small.data()


@pytest.fixture
def build_search(search_data: SearchData) -> BuildSearch:
    """Return a function that builds a search with two steps per epoch."""

    def build(
        method: SearchMethod,
        space: Space,
        *,
        num_epochs: int = 2,
        num_cells: int = 5,
        seed: int = 3,
        device: torch.device = CPU,
        precision: torch.dtype = torch.float32,
        accelerate: Accelerator = fuse,
    ) -> Search:
        return Search(
            method,
            space,
            search_data,
            channels=math.lcm(4, method.channel_divisor),
            num_cells=num_cells,
            num_epochs=num_epochs,
            seed=seed,
            device=device,
            batch_size=8,
            precision=precision,
            accelerate=accelerate,
        )

    return build


@pytest.fixture
def through_a_file(tmp_path: Path) -> Callable[[Any], Any]:
    """Return a function that writes a state and reads it back as checkpoints do: tensors and plain values alone."""

    def round_trip(state: Any) -> Any:
        torch.save(state, tmp_path / "state")
        return torch.load(tmp_path / "state", weights_only=True)

    return round_trip


@pytest.fixture(scope="session")
def differences() -> Callable[[Any, Any], list[str]]:
    """Return a function that returns the places where two nested states differ in a single bit."""

    def between(one: Any, other: Any, place: str = "state") -> list[str]:
        if type(one) is not type(other):
            return [f"{place}: type"]
        if isinstance(one, dict):
            if list(one) != list(other):
                return [f"{place}: keys"]
            return [found for key in one for found in between(one[key], other[key], f"{place}/{key}")]
        if isinstance(one, list | tuple):
            if len(one) != len(other):
                return [f"{place}: length"]
            pairs = enumerate(zip(one, other, strict=True))
            return [found for index, pair in pairs for found in between(*pair, f"{place}/{index}")]
        if isinstance(one, Tensor):
            return [] if one.dtype == other.dtype and torch.equal(one, other) else [place]
        return [] if one == other else [place]

    return between


@dataclass
class ObjectStore:
    """A bucket of a real S3 server, some of whose answers can be made to fail.

    Attributes:
        application: the server as a WSGI application.
        bucket: its name; there from the start.
        requests: what was asked for since `disturb` was called: method, path, query and range.
    """

    application: Callable[..., Iterable[bytes]]
    bucket: str = ""
    address: str = ""
    requests: list[tuple[str, str, str, str]] = field(default_factory=list)
    _how: str = "503"
    _when: Callable[[int], bool] = lambda number: False

    def uri(self, key: str = "results") -> str:
        """Return the URI of a place in the bucket."""
        return f"s3://{self.bucket}/{key}?endpoint_override={self.address}&scheme=http"

    def disturb(self, how: Literal["503", "500", "drop", "lost", "slow"], when: Callable[[int], bool]) -> None:
        """Have requests fail in some way.

        Args:
            how: an HTTP status; or `drop`, the connection ends without an answer; or `lost`, it ends as well, but what
                was asked for has been done; or `slow`, the answer takes a while.
            when: whether to disturb a request, given its number, counted from 1 from now on.
        """
        self.requests.clear()
        self._how, self._when = how, when

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_RANGE")
        self.requests.append(tuple(environ.get(name, "") for name in names))  # type: ignore[arg-type]
        if self._when(len(self.requests)):
            if self._how == "lost":
                list(self.application(environ, start_response))
            if self._how in ("drop", "lost"):
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                raise ConnectionError
            if self._how != "slow":
                start_response(f"{self._how} Failed", [("Content-Length", "0")])
                return []
            time.sleep(0.4)
        return self.application(environ, start_response)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that makes a file system of a given size, such as "1m"; skip if mounting is not permitted."""
    mounted: list[Path] = []

    def make(size: str) -> Path:
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"mounting a tmpfs is not possible here: {error}")
        if done.returncode:
            pytest.skip(f"mounting a tmpfs is not permitted here: {done.stderr.strip()}")
        mounted.append(path)
        return path

    yield make
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture(scope="session")
def _object_server() -> Iterator[ObjectStore]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *arguments: object) -> None:
            """Say nothing, also of connections that were dropped on purpose."""

    store = ObjectStore(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=Quiet)
    store.address = f"127.0.0.1:{server.port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield store
    server.shutdown()


@pytest.fixture
def object_store(_object_server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """An empty bucket, and credentials for it in the environment."""
    from pyarrow.fs import S3FileSystem

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = _object_server
    store.bucket = f"bucket-{uuid.uuid4().hex}"
    store.disturb("503", lambda number: False)
    server = S3FileSystem(endpoint_override=store.address, scheme="http", allow_bucket_creation=True)
    server.create_dir(store.bucket)
    store.requests.clear()
    yield store
    store.disturb("503", lambda number: False)


SMALL_DATA = {"name": "digits", "max_train_images": 64, "max_test_images": 32}


@pytest.fixture(scope="session")
def make_trial() -> Callable[..., SearchTrial]:
    """Return a function that makes small search trials: two epochs of two steps each."""
    trial = SearchTrial(
        method="darts",
        skip="allocated",
        space="darts",
        seed=0,
        epochs=2,
        data=SMALL_DATA,
        network={"channels": 4, "cells": 3},
        batch_size=16,
    )
    return lambda **changes: replace(trial, **changes)


@pytest.fixture(scope="session")
def start() -> Callable[[SearchTrial, Path], ResumableTrial]:
    """Return a function that opens a search in a folder."""
    return lambda trial, folder: open_search(trial, folder, DataRef(trial.data, folder), CPU)


@pytest.fixture(scope="session")
def finish() -> Callable[[ResumableTrial], ResumableTrial]:
    """Return a function that runs a trial to its end."""

    def run(trial: ResumableTrial) -> ResumableTrial:
        while trial.record.state != "finished":
            trial.advance()
        return trial

    return run


@pytest.fixture(scope="session")
def searched(
    make_trial: Callable[..., SearchTrial],
    start: Callable[[SearchTrial, Path], ResumableTrial],
    finish: Callable[[ResumableTrial], ResumableTrial],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the folder of a search that was never interrupted."""
    folder = tmp_path_factory.mktemp("searched") / "trial"
    finish(start(make_trial(), folder))
    return folder


@pytest.fixture(scope="session")
def assert_equal_states(differences: Callable[[Any, Any], list[str]]) -> Callable[[Any, Any], None]:
    """Return an assertion that two nested states are equal, tensors bit for bit."""

    def check(found: Any, expected: Any) -> None:
        assert not differences(found, expected)

    return check
