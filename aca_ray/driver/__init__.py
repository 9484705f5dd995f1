"""The driver, which runs the jobs of a sweep in a pool, and a pool in one process; knows neither Ray nor MLflow."""
