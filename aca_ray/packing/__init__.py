"""Packed searches: several seeds in one process, whose passes through their supernets are computed as one network."""

from aca_ray.packing.pack import Member, Pack

__all__ = ["Member", "Pack"]
