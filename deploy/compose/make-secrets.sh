#!/bin/sh
# Makes the secrets that compose.yaml reads, each random and readable by you alone. Keeps those that exist.
set -eu
umask 077
secrets=$(dirname "$0")/secrets
mkdir -p "$secrets"
cd "$secrets"

for name in ray_token postgres_password mlflow_admin_password mlflow_secret_key; do
    [ -s "$name" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$name"
done
# What a client of MLflow reads from ~/.mlflow/credentials.
printf '[mlflow]\nmlflow_tracking_username = admin\nmlflow_tracking_password = %s\n' "$(cat mlflow_admin_password)" \
    >mlflow_credentials
