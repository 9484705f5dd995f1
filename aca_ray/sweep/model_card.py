"""Model cards: what users of an exported network have to know, as Markdown beside its files.

Source: Mitchell et al. 2019, "Model cards for model reporting", for the questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote

from aca_ray.errors import ConfigError, StorageError
from aca_ray.exports import FORMATS, Export
from aca_ray.records import TrialRecord
from aca_ray.report.cell_text import cell_text
from aca_ray.report.cells import cell_svg
from aca_ray.retraining.protocol_values import FIELDS
from aca_ray.storage import StoragePath, read_text, write_bytes
from aca_ray.sweep.exporting import NamedNetwork
from aca_ray.sweep.group_accuracy import GroupAccuracy, SweepAccuracies

MARK = "<!-- model card written by aca_ray -->"
_MOST_CLASSES = 20  # class names in a card
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&!$@])")


def card_files(main: StoragePath) -> tuple[StoragePath, StoragePath]:
    """Return the files of the card and of the picture of an export, given the export's main file."""
    return main.with_name(f"{main.stem}.md"), main.with_name(f"{main.stem}_cells.svg")


def check_card_file(main: StoragePath) -> None:
    """Raise ConfigError if another file has the name of the card, which would replace it."""
    card, _ = card_files(main)
    if not card.exists():
        return
    try:
        ours = card.is_file() and read_text(card).startswith(MARK)
    except StorageError:
        ours = False
    if not ours:
        raise ConfigError(
            f"out: the model card of {main.name} would replace {card}, which is something else; give another name"
        )


def write_card(
    named: NamedNetwork, export: Export, forms: Sequence[str], accuracies: SweepAccuracies | None = None
) -> Export:
    """Write the model card of an export and the picture of its cells beside it; return the export with both.

    Args:
        named: the network.
        export: its export.
        forms: name of the export's format, and those of other exports of the network with the same name.
        accuracies: those of the network's sweep, where they are known already.

    Raises:
        StorageError: a file can't be written.
    """
    card, picture = card_files(export.files[0])
    if accuracies is None and named.sweep is not None:
        accuracies = SweepAccuracies(named.sweep)
    exported = export.network
    _write_if_new(picture, cell_svg(exported.genotype, exported.plan, f"The cells of {exported.name}").encode())
    _write_if_new(card, card_text(named, export, forms, picture.name, accuracies).encode())
    return replace(export, card=(card, picture))


def _write_if_new(path: StoragePath, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)


def card_text(
    named: NamedNetwork, export: Export, forms: Sequence[str], picture: str, accuracies: SweepAccuracies | None
) -> str:
    """Return the card as Markdown; see `write_card`."""
    network, record = export.network, named.record
    group = accuracies.of(record.fingerprint) if accuracies is not None and record is not None else None
    cells = cell_text(network.genotype, network.plan, network.widths())
    parts = [
        MARK,
        f"# {escaped(network.name)}",
        f"{escaped(network.origin)}.",
        f"![Cells of the network]({quote(picture)})",
        "## Network",
        _table(_network_rows(named, export)),
        f"```text\n{cells}\n```",
        "## Accuracy",
        *_accuracy(named, group, are_known=accuracies is None or accuracies.are_known),
        "## Data",
        _table(_data_rows(named)),
        "## Protocol",
        "" if network.weights is not None else "The network is untrained; the protocol sets its size.",
        _table([(name, str(field.spell(network.protocol))) for name, field in FIELDS.items()]),
        "## How to load it",
        f"Images are float32 of the shape (N, {', '.join(map(str, export.network.metadata()['input_shape']))}), "
        "normalized as (pixels / 255 - mean) / std, with mean and std as above.",
        *(f"```python\n{_loading(form, export.files[0].stem)}\n```" for form in sorted(forms)),
        "JSON has no weights: `aca-ray retrain` trains this network from it." if "json" in forms else "",
        "## Provenance",
        _table(_provenance_rows(named, export)),
        "## License",
        "The license of the data is unknown to the program that wrote this card; ask their source. It may bind the use "
        "of the weights. The license of the code in these files is not stated here.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def escaped(text: str) -> str:
    """Return a text on one line that Markdown shows as it is."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {escaped(name)} | {escaped(value)} |" for name, value in rows)])


def _network_rows(named: NamedNetwork, export: Export) -> list[tuple[str, str]]:
    network = export.network
    plan, cost, genotype = network.plan, network.cost, network.genotype
    edges = len(genotype.normal.edges) + len(genotype.reduce.edges)
    allocation = "none: every operation has all its channels"
    if plan is not None:
        allocation = (
            f"{plan.allocation} of {plan.ranking}: skip connections refill {100 * plan.refilled_share:.1f} % of the "
            "channels"
        )
    return [
        ("parameters", f"{cost.parameters:,}"),
        ("multiply-accumulates per image", f"{cost.macs:,}"),
        ("skip connections", f"{genotype.num_skips} of {edges} edges"),
        ("channel plan", allocation),
        ("weights", "untrained" if network.weights is None else "trained"),
        ("files", ", ".join(path.name for path in export.files)),
    ]


def _accuracy(named: NamedNetwork, group: GroupAccuracy | None, *, are_known: bool) -> Iterator[str]:
    record, own = named.record, named.exported.test_accuracy
    if group is None and own is None:
        yield "This network was not trained, so it has no accuracy."
        return
    if group is None:
        assert own is not None
        why = "it is of no sweep" if are_known else "records of its sweep could not be read"
        yield _table([("this network, test accuracy after the final epoch", _percent(own))])
        yield f"This is one network, n = 1: {why}, so nothing is known about other seeds."
        return
    looked_up = record is not None and record.kind == "look-up"
    summary, row, arm = group.arm.test_accuracy, group.own, group.arm
    retrained = "" if looked_up else f", retraining seed {row.retrain_seed}"
    rows = [
        (f"this network (search seed {row.seed}{retrained})", _percent(row.test_accuracy)),
        ("mean over search seeds", _percent(summary.mean)),
        ("standard deviation over search seeds", "-" if summary.sd is None else f"{100 * summary.sd:.2f} points"),
        ("95 % interval of the mean", "-"),
        ("n", f"{summary.n} search seeds, {arm.num_networks} networks"),
        ("lowest and highest search seed", f"{_percent(arm.worst.test_accuracy)}, {_percent(arm.best.test_accuracy)}"),
    ]
    if summary.low is not None and summary.high is not None:
        rows[3] = (
            f"95 % interval of the mean ({summary.interval})",
            f"{_percent(summary.low)} to {_percent(summary.high)}",
        )
    yield (
        "Test accuracy from the table of a benchmark, for other weights: this network is untrained."
        if looked_up
        else "Test accuracy after the final epoch."
    )
    yield _table(rows)
    pair = "" if group.kind.pair is None else f", {group.kind.pair.label}"
    control = "" if group.kind.control is None else f", control {group.kind.control}"
    yield escaped(
        f"Its group is {arm.group.label}; {group.kind.networks} networks{pair}{control}. The retrainings of a "
        "search are averaged first."
    )
    if summary.n == 1:
        yield "One search seed gives no interval: how much of this is luck is unknown."
    if group.is_best_of_several:
        yield (
            f"**This network has the highest accuracy of the {len(group.networks)} networks of its group.** Its number "
            "is not a result of the method; the mean is."
        )
    if group.unfinished:
        yield f"{group.unfinished} trials of the sweep were not finished when this was written."


def _data_rows(named: NamedNetwork) -> list[tuple[str, str]]:
    images, record = named.exported.images, named.record
    names = images.class_names
    classes = ", ".join(names[:_MOST_CLASSES]) + (", ..." if len(names) > _MOST_CLASSES else "")
    rows = [
        ("data set", images.name),
        ("images", f"{images.channels} x {images.height} x {images.width} (channels, height, width)"),
        ("classes", f"{images.num_classes}" + (f": {classes}" if classes else "")),
        ("normalization, mean", ", ".join(f"{value:.6g}" for value in images.mean)),
        ("normalization, std", ", ".join(f"{value:.6g}" for value in images.std)),
    ]
    if record is None or record.data_info is None:
        return rows
    facts, exported = record.data_info, named.exported
    used = "training images" if exported.weights is not None else f"training images of the {record.kind}"
    return [
        *rows,
        (used, f"{facts.num_images:,}"),
        ("source", facts.source),
        ("augmentation", facts.augmentation),
        ("SHA-256 of images and labels", facts.digest),
    ]


def _loading(form: str, stem: str) -> str:
    """Return the lines of Python that load an export, given the stem of its file."""
    file = f"{stem}{FORMATS[form].suffix}"
    if form == "python" and stem.isidentifier() and stem.isascii():
        return f"from {stem} import build\n\nlogits = build()(images)"
    if form == "python":
        return f'import runpy\n\nlogits = runpy.run_path({file!r})["build"]()(images)'
    if form == "torch-export":
        return f"import torch\n\nlogits = torch.export.load({file!r}).module()(images)"
    if form == "onnx":
        return (
            "import onnxruntime\n\n"
            f"session = onnxruntime.InferenceSession({file!r})\n"
            '(logits,) = session.run(None, {"images": images})  # a NumPy array'
        )
    return f'import json\n\nnetwork = json.load(open({file!r}))\ngenotype, plan = network["genotype"], network["plan"]'


def _provenance_rows(named: NamedNetwork, export: Export) -> list[tuple[str, str]]:
    record, sweep, metadata = named.record, named.sweep, export.network.metadata()
    rows = [("exported by", f"aca_ray {metadata['aca_ray_version']}, torch {metadata['torch_version']}")]
    if sweep is not None:
        rows.append(("sweep", f"{sweep.spec.name}, experiment {sweep.fingerprint}"))
    if record is not None:
        rows += _trial_rows(record)
    return [*rows, ("largest difference of logits from the network in memory", f"{export.difference:.2g}")]


def _trial_rows(record: TrialRecord) -> Iterator[tuple[str, str]]:
    yield record.kind, record.fingerprint
    if record.shared_with is not None:
        yield "trained as the equal network", record.shared_with
    yield "versions of the trial", ", ".join(f"{name} {version}" for name, version in record.versions.items())
    yield "commit of the code", record.versions.get("commit", "not recorded")
    yield "device", f"{record.hardware or 'unknown'} ({record.device}, {record.threads} threads)"
    yield "resumes after interruptions", str(record.resumes)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
