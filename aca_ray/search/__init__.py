"""The search loop, and its metrics of the architecture."""
