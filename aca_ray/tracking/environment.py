"""What MLflow reads from the process environment; imported before anything imports mlflow.

A variable that the user has set wins.
"""

from __future__ import annotations

import logging
import os

DEFAULTS = {
    # MLflow decides at its own import whether to start the telemetry thread.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own seven retries block the driver for 127 s a call while a server is away, and resend a request whose
    # answer was lost, which creates a second run. delivery.py is the one place that tries again, after looking.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # libpq waits for as long as the network lets it, and MLflow tries ten times.
    "PGCONNECT_TIMEOUT": "10",
}

for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)

# Fifty lines of migrations for every new store otherwise.
logging.getLogger("alembic").setLevel(logging.WARNING)
