#!/usr/bin/env bash
# Makes the kustomize manifests from the chart, into deploy/sidecar or the folder
# given. HELM is the command to run helm.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/sidecar" && pwd)
out=${1:-$here}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

$HELM template fsproxy "$here/chart" --namespace fsproxy --kube-version 1.30 --output-dir "$work" \
    --set rcm.enabled=true,podMonitor.enabled=true,alerts.enabled=true,dashboard.enabled=true >/dev/null
mkdir -p "$out/base" "$out/monitoring"
for file in certificates injector webhook rcm networkpolicy; do
    sed '/^# Source: /d' "$work/fsproxy/templates/$file.yaml" >"$out/base/$file.yaml"
done
for file in podmonitor alerts dashboard; do
    sed '/^# Source: /d' "$work/fsproxy/templates/$file.yaml" >"$out/monitoring/$file.yaml"
done
