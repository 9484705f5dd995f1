#!/bin/sh
# Creates the secrets for compose.yaml, random and readable only by you. Existing ones are kept.
set -eu
umask 077
secrets=$(dirname "$0")/secrets
mkdir -p "$secrets"
cd "$secrets"

for name in ray_token postgres_password mlflow_admin_password mlflow_secret_key; do
    [ -s "$name" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$name"
done
# Clients of MLflow read this file from ~/.mlflow/credentials.
printf '[mlflow]\nmlflow_tracking_username = admin\nmlflow_tracking_password = %s\n' "$(cat mlflow_admin_password)" \
    >mlflow_credentials
