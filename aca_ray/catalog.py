"""What a spec can name, as tables read from the registries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aca_ray.channels import CONTROLS, DEFAULT_ALLOCATION, DEFAULT_RANKING, DEFAULT_WHOLE_EDGES, RANKERS, RULES
from aca_ray.data import SOURCES
from aca_ray.data.source import Source
from aca_ray.methods.registry import method_settings, methods
from aca_ray.methods.settings import Setting
from aca_ray.retraining import DEFAULT_PROTOCOL, PROTOCOLS
from aca_ray.retraining.protocol_values import FIELDS
from aca_ray.space import SPACES, Space
from aca_ray.space.candidates import ALL_CANDIDATES, published_name

_ALL_DATA = """\
All data sets take `max_train_images` and `max_test_images` (the first so many), `resize: N` (antialiased bilinear, to N
x N pixels, a multiple of 4, from 128 on of 32), `flip` and `crop`, which switch the augmentation of training images
(`imagenet` has `color` as well), `augmentation: none`, which switches all of it off (cutout belongs to the protocol),
and `normalization: {mean: [...], std: [...]}` (fractions of the full range, one value per channel) instead of the
published values, or of those computed from the training images. The first half of the training images is
`search_train`, the second `search_valid`. Searches never read test images. Images are read as a viewer shows them;
transparency, more than 8 bits, animations and CMYK are refused. Color profiles are ignored. The classes of both splits
must agree, and test images must not be training images. `parquet` takes files as Hugging Face's `datasets` writes them,
class names included: `train: data/train-*.parquet`, with `image_column` and `label_column`; `shuffle: true` is for
files that are sorted by class. A split of more than 4 GiB of pixels (counted as RGB), or than a quarter of the
machine's memory, is decoded while training, with the same results: each process copies the encoded images that it uses
to a temporary file (in `TMPDIR`), which the system deletes when the process ends. RobustDARTS, SmoothDARTS and DARTS-
mirror SVHN: `flip: true` does the same."""
_OWN_SPACES = f"""\
A space by value has candidates of your own in the cells of a `base`: `{{base: darts, operations: [skip_connect,
sep_conv_3x3]}}` for every edge, `normal: [...]` or `reduce: [...]` for the edges of one cell, `normal: {{0->2: [...],
operations: [...]}}` for single edges and the rest of a cell. Other edges keep the base's candidates. Operations:
{", ".join(ALL_CANDIDATES)}. In cells of `nasbench201`, `avg_pool_3x3` is the benchmark's, without a batch norm
(`plain_avg_pool_3x3` elsewhere), and cells of the benchmark's five operations are looked up in its table.

An empty list deletes an edge: `{{base: darts, normal: {{0->3: []}}}}`. At least two edges into every node must be left;
in cells of `nasbench201`, which keep every edge, each must be on a path from input to output.

Methods search every space by value that they are defined on; `aca-ray check` says why a method is not."""
SHOWN_FIELDS = ("cells", "channels", "epochs", "batch_size", "lr", "weight_decay", "drop_path", "auxiliary_weight")


@dataclass(frozen=True)
class Catalog:
    """The entries of a registry.

    Attributes:
        title: what the entries are.
        header: names of the columns.
        rows: one per entry, its name first.
        num_brief: how many of the first columns fit into a terminal.
        note: what is true of all of them; empty for nothing.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_brief: int
    note: str = ""

    @property
    def brief(self) -> list[tuple[str, ...]]:
        """Header and rows for a terminal."""
        return [row[: self.num_brief] for row in (self.header, *self.rows)]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The rows as JSON objects.

        Keys are `name`, `default` (`always`, `with a table only`, or None), and the names of the other columns with
        underscores.
        """
        keys = [name.split(" (")[0].replace(" ", "_").lower() for name in self.header[1:]]
        return [
            {**_name_and_default(first), **dict(zip(keys, map(_value, rest), strict=True))}
            for first, *rest in self.rows
        ]


def _name_and_default(text: str) -> dict[str, str | None]:
    name, _, mark = text.partition(" (default")
    return {"name": name, "default": (mark.strip(" )") or "always") if name != text else None}


def _value(text: str) -> str | float:
    """Return the number that a text is, or the text."""
    try:
        return int(text)
    except ValueError:
        with suppress(ValueError):
            return float(text)
        return text


def _methods() -> Catalog:
    rows = tuple(
        (
            name,
            method.changes,
            "all" if len(method.spaces) == len(SPACES) else ", ".join(sorted(method.spaces)),
            method.source,
            method.differs or "nothing",
            "; ".join(_setting(key, setting) for key, setting in method_settings(name).items()) or "none",
        )
        for name, method in methods().items()
    )
    header = ("method", "difference from DARTS", "spaces", "source", "difference from the source", "settings")
    return Catalog("Search methods", header, rows, num_brief=2)


def _setting(name: str, setting: Setting) -> str:
    return f"{name} ({setting.default:g}; {setting.bounds.low:g} to {setting.bounds.high:g})"


def _spaces() -> Catalog:
    rows = tuple((name, _cells(space), _candidates(space), space.source) for name, space in SPACES.items())
    return Catalog("Search spaces", ("space", "cells", "candidates", "source"), rows, num_brief=4, note=_OWN_SPACES)


def _cells(space: Space) -> str:
    topology = space.topology
    inputs = "1 input" if topology.num_inputs == 1 else f"{topology.num_inputs} inputs"
    return f"{inputs}, {topology.num_nodes} nodes, {len(topology.edges)} edges"


def _candidates(space: Space) -> str:
    edges = {names for cell_type in space.cell_types for names in space.candidates(cell_type)}
    if len(edges) == 1:
        return ", ".join(map(published_name, next(iter(edges))))
    return f"{max(map(len, edges))} per edge, which ones differs by edge"


def _protocols() -> Catalog:
    rows = tuple(
        (
            _marked(name, DEFAULT_PROTOCOL),
            *(f"{FIELDS[field].spell(protocol):g}" for field in SHOWN_FIELDS),
            protocol.source,
        )
        for name, protocol in PROTOCOLS.items()
    )
    header = ("protocol", *(field.replace("_", " ") for field in SHOWN_FIELDS), "source")
    return Catalog("Retraining protocols", header, rows, num_brief=len(header) - 1)


def _rankers() -> Catalog:
    rows = tuple((_marked(name, DEFAULT_RANKING), entry.summary, entry.source) for name, entry in RANKERS.items())
    return Catalog("Channel rankers", ("ranker", "score of a channel", "source"), rows, num_brief=2)


def _rules() -> Catalog:
    defaults = {DEFAULT_ALLOCATION: "default", DEFAULT_WHOLE_EDGES: "default with a table only"}
    rows = tuple(
        (f"{name} ({defaults[name]})" if name in defaults else name, entry.summary, entry.source)
        for name, entry in RULES.items()
    )
    return Catalog("Allocation rules", ("rule", "what the operation keeps", "source"), rows, num_brief=2)


def _controls() -> Catalog:
    rows = tuple((name, entry.summary, entry.source) for name, entry in CONTROLS.items())
    return Catalog("Controls", ("control", "what it does to the plan of a rule", "source"), rows, num_brief=2)


def _data() -> Catalog:
    rows = tuple(
        (name, source.summary, _keys(source), "yes" if source.flip else "no") for name, source in SOURCES.items()
    )
    header = ("data", "images", "own keys (default)", "mirrored by default")
    return Catalog("Data sets", header, rows, num_brief=2, note=_ALL_DATA)


def _keys(source: Source) -> str:
    shown = (
        name if key.default is None else f"{name} ({str(key.default).lower() if key.kind == 'flag' else key.default})"
        for name, key in source.keys.items()
    )
    return ", ".join(shown) or "none"


def _marked(name: str, default: str) -> str:
    return f"{name} (default)" if name == default else name


CATALOGS: dict[str, Callable[[], Catalog]] = {
    "methods": _methods,
    "spaces": _spaces,
    "data": _data,
    "rankers": _rankers,
    "rules": _rules,
    "controls": _controls,
    "protocols": _protocols,
}
