#!/bin/sh
# MLflow with users and permissions on PostgreSQL; libpq reads PGHOST and PGUSER. Secrets are read from files and passed
# in the environment, so that a process list shows none.
# Usage: mlflow-server ALLOWED-HOSTS, the accepted Host headers, such as mlflow:5000,localhost:5000
set -eu
: "${1:?Usage: mlflow-server ALLOWED-HOSTS}"
: "${SECRETS:?SECRETS: the folder with postgres_password, mlflow_admin_password and mlflow_secret_key}"

PGPASSWORD=$(cat "$SECRETS/postgres_password")
MLFLOW_AUTH_ADMIN_PASSWORD=$(cat "$SECRETS/mlflow_admin_password")
MLFLOW_FLASK_SERVER_SECRET_KEY=$(cat "$SECRETS/mlflow_secret_key")
export PGPASSWORD MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY

export MLFLOW_AUTH_CONFIG_PATH="${MLFLOW_AUTH_CONFIG_PATH:-/etc/aca-ray/mlflow-auth.ini}"
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
# Two workers, each with a pool for runs and one for users: at most 160 connections.
export MLFLOW_SQLALCHEMYSTORE_POOL_SIZE=20 MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW=20

exec mlflow server --app-name basic-auth --host 0.0.0.0 --port "${PORT:-5000}" --workers 2 \
    --backend-store-uri postgresql+psycopg2:///mlflow \
    --artifacts-destination "${ARTIFACTS:-/artifacts}" \
    --allowed-hosts "$1"
