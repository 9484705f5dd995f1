"""Sweeps: the graph of their jobs and the driver, which runs the jobs in a pool; knows neither Ray nor MLflow."""
