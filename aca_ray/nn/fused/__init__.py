"""Fast paths of the networks."""
