"""Steps on an accelerator do not wait for it.

The device here is torch's `meta`, whose tensors have no values: reading one raises.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from compact_spaces import compact
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.registry import find_method, methods
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology

BuildSearch = Callable[..., Search]

META = torch.device("meta")
READING = {"gdas", "pr_darts", "drnas"}  # the host reads which candidates are drawn, or how many there are
NAMES = ("max_pool_3x3", "skip_connect", "dil_conv_3x3")
TINY = Space("tiny", Topology(num_inputs=2, num_nodes=2), normal=(NAMES,) * 5, reduce=(NAMES,) * 5)
IN_EVERY_TIER = {"darts", "pc_darts"}


def line_of_ours() -> str:
    """Return the innermost line of the package on the stack, or "" if there is none."""
    own = [frame for frame in traceback.extract_stack() if "/aca_ray/" in frame.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


class Copies(TorchDispatchMode):
    """Records the lines that copy between devices and wait for the copy."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if self._waits(function.overloadpacket.__name__, args, kwargs, result):
            self.found.append(line_of_ours())
        return result

    @staticmethod
    def _waits(name: str, args: Any, kwargs: Any, result: Any) -> bool:
        if name == "index":
            return any(isinstance(index, Tensor) and index.device != args[0].device for index in args[1])
        if name == "_to_copy":
            return bool(args[0].device != result.device) and not kwargs.get("non_blocking", False)
        if name == "copy_":
            return args[0].device != args[1].device and not (*args[2:], kwargs.get("non_blocking", False))[0]
        return False


class Reads(TorchFunctionMode):
    """Records how the package reads values of tensors; the optimizers keep their step counts on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        reads = {"tolist", "item", "__bool__", "__float__", "__int__", "__index__", "numpy", "cpu"}
        if name in reads and traceback.extract_stack(limit=2)[0].filename.count("/aca_ray/"):
            self.found.append(name)
        return function(*args, **(kwargs or {}))


def searching(build_search: BuildSearch, method: SearchMethod, space: Space, device: torch.device) -> Search:
    """Return a search in an epoch that updates the architecture, with a step before and after the next one."""
    search = build_search(method, space, num_cells=3, num_epochs=50, device=device)
    search.batch_size = 4
    search._make_batches()
    search._stages_begun = 1000  # no stage begins, which may read the supernet
    while not method.architecture_moves(method.recipe, search.moment):
        search.clock = search._epoch = search.clock + 1
    search.step(search.clock, 0)
    return search


def cases() -> Iterator[Any]:
    for method in methods().values():
        space = TINY if len(method.spaces) == len(SPACES) else compact(SPACES[min(method.spaces)])
        marks = [] if method.name in IN_EVERY_TIER else [pytest.mark.slow]
        if method.name not in READING:
            yield pytest.param(method, space, id=method.name, marks=marks)


@pytest.mark.parametrize(("method", "space"), list(cases()))
def test_no_step_waits_for_the_device(build_search: BuildSearch, method: SearchMethod, space: Space) -> None:
    search = searching(build_search, method, space, META)
    with Copies() as copies:
        search.step(search.clock, 1)
    assert not copies.found


def test_copies_that_wait_are_recorded() -> None:
    with Copies() as copies:
        torch.zeros(2).to(META)
        torch.zeros(2, device=META).copy_(torch.ones(2))
        torch.zeros(2, device=META)[torch.tensor([1, 0])]
    assert len(copies.found) == 3
    with pytest.raises(NotImplementedError):
        torch.zeros(2, device=META).tolist()


@pytest.mark.parametrize("name", sorted(READING))
def test_draws_are_read_once_per_pass_and_cell_type(build_search: BuildSearch, name: str) -> None:
    search = searching(build_search, find_method(name), SPACES["s2"], torch.device("cpu"))
    with Reads() as reads:
        search.step(search.clock, 1)
    assert reads.found == ["tolist"] * 2 * 2


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["darts", "darts_second_order", "pc_darts"])
def test_no_step_waits_for_a_gpu(build_search: BuildSearch, name: str) -> None:
    search = searching(build_search, find_method(name), SPACES["s2"], torch.device("cuda"))
    torch.cuda.set_sync_debug_mode("error")
    try:
        search.step(search.clock, 1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
