"""Environment variables for MLflow; this module must be imported before mlflow.

A value set by the user takes precedence.
"""

from __future__ import annotations

import logging
import os

DEFAULTS = {
    # MLflow decides at its own import whether to start the telemetry thread.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own seven retries block the driver for 127 s per call while a server is unreachable, and resend requests
    # whose answer was lost, which creates second runs. Only delivery.py retries, after reading the state of MLflow.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # By default libpq waits as long as the network does, and MLflow tries ten times.
    "PGCONNECT_TIMEOUT": "10",
}

for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)

# Otherwise every new store logs fifty lines of migrations.
logging.getLogger("alembic").setLevel(logging.WARNING)
