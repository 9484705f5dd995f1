#!/usr/bin/env bash
# Runs a Ray worker and sends it SIGTERM on a spot notice of the cloud: `ray start --block` then drains its node, so that
# trials leave it while the machine still runs. Ray's cluster launcher does not watch for notices itself.
# Usage: worker.sh aws|gcp RAY-START-OPTIONS...
set -uo pipefail
cloud=${1:?Usage: worker.sh aws|gcp RAY-START-OPTIONS...}
shift

noticed_by_aws() {
    local url=${METADATA_URL:-http://169.254.169.254}/latest token
    token=$(curl -sf -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$url/api/token") &&
        curl -sf -m 2 -o /dev/null -H "X-aws-ec2-metadata-token: $token" "$url/meta-data/spot/instance-action"
}

noticed_by_gcp() {
    local url=${METADATA_URL:-http://metadata.google.internal}/computeMetadata/v1
    [ "$(curl -sf -m 2 -H 'Metadata-Flavor: Google' "$url/instance/preempted")" = TRUE ]
}

case $cloud in
aws | gcp) ;;
*)
    echo "worker.sh: the cloud must be aws or gcp, found $cloud" >&2
    exit 2
    ;;
esac

ray start --block "$@" &
ray=$!
trap 'kill -TERM "$ray"' TERM INT
while kill -0 "$ray" 2>/dev/null; do
    if "noticed_by_$cloud"; then
        echo "spot notice: draining this node"
        kill -TERM "$ray"
        break
    fi
    sleep "${POLL_SECONDS:-3}"
done
wait "$ray"
