"""Benchmarks: accuracies of trained networks from a table, instead of training."""

from aca_ray.benchmark.table import TABLES, Benchmark, Standing, load_table, read_table

__all__ = ["TABLES", "Benchmark", "Standing", "load_table", "read_table"]
