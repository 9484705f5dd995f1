"""Export of networks to files that do not need this package: ONNX, torch.export, one Python file, JSON."""

from aca_ray.exports.formats import FORMATS, Export, write_export
from aca_ray.exports.network import ExportedNetwork, Standalone, stand_alone

__all__ = ["FORMATS", "Export", "ExportedNetwork", "Standalone", "stand_alone", "write_export"]
