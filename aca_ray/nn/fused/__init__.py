"""Fast paths of the networks: many small layers computed in few calls, in the layout that suits the device.

The plain modules are correct without this package; their fused subclasses compute the same except for rounding.
"""

from aca_ray.nn.fused.derived import lay_out
from aca_ray.nn.fused.fuse import fuse

__all__ = ["fuse", "lay_out"]
