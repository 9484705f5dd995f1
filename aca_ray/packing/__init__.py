"""Packed searches: several seeds in one process, whose passes are computed as one network."""
