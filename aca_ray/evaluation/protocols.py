"""How derived networks are retrained, as named values; accuracies of different protocols never compare."""

from __future__ import annotations

from dataclasses import dataclass

from aca_ray.errors import ConfigError, unknown_name


@dataclass(frozen=True)
class Protocol:
    """A retraining protocol.

    Attributes:
        name: registry name.
        source: where the numbers come from.
        channels: channels C of the first cells.
        num_cells: number of cells.
        epochs: length of the retraining.
        batch_size: images per step.
        lr: learning rate of SGD, falling to 0 on a cosine.
        momentum: of SGD.
        weight_decay: L2 coefficient.
        clip_norm: bound on the gradient's global norm.
        auxiliary_weight: weight of the auxiliary tower's loss, 0 for no tower.
        drop_path: drop-path probability that the linear ramp from 0 would reach after the last epoch.
        cutout: whether training images are augmented with cutout of half their side.
    """

    name: str
    source: str
    channels: int
    num_cells: int
    epochs: int
    batch_size: int
    lr: float = 0.025
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip_norm: float = 5.0
    auxiliary_weight: float = 0.0
    drop_path: float = 0.0
    cutout: bool = False


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="cifar",
            source="Liu et al. 2019 (DARTS), section 3.2.1, and its official code: 20 cells, 36 channels",
            channels=36,
            num_cells=20,
            epochs=600,
            batch_size=96,
            auxiliary_weight=0.4,
            drop_path=0.2,
            cutout=True,
        ),
        Protocol(
            name="small",
            source="ours: a proxy for tiny images and CPUs; says something only about differences within a sweep",
            channels=8,
            num_cells=5,
            epochs=4,
            batch_size=64,
            lr=0.05,
        ),
    )
}


def find_protocol(name: str, place: str = "protocol") -> Protocol:
    """Return a registered protocol, or raise ConfigError with the nearest known name."""
    if name not in PROTOCOLS:
        raise ConfigError(unknown_name(place, "protocol", name, PROTOCOLS))
    return PROTOCOLS[name]
