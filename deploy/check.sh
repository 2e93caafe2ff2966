#!/usr/bin/env bash
# Checks all manifests without a cluster: the chart by helm, what it and the
# injector make against Kubernetes' own schemas of several versions, the alerts
# by promtool. Schemas are in the tools themselves, or in the module
# k8s.io/kubernetes, so that all there is comes through the Go module proxy.
#
# HELM, KUSTOMIZE, KUBECTL_VALIDATE and PROMTOOL are the commands to run them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
GO=${GO:-go}

# Native sidecars begin with 1.29. The validator has schemas up to 1.30; the
# newest are those that the Kubernetes module carries.
embedded="1.29 1.30"
kubernetes="v1.35.0 v1.37.1"
crds=v0.94.0        # of github.com/prometheus-operator/prometheus-operator
cert_manager=v1.19.1 # of github.com/cert-manager/cert-manager

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
say() { printf 'deploy: %s\n' "$*"; }
fail() { say "FAILED: $*"; failed=1; }

# folder_of MODULE@VERSION prints where a module's files are.
folder_of() {
    "$GO" mod download -json "$1" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p'
}

# schemas_of VERSION lays a Kubernetes release's schemas out as the validator
# wants them.
schemas_of() {
    local out=$work/schemas-$1 file name
    for file in "$(folder_of "k8s.io/kubernetes@$1")"/api/openapi-spec/v3/api{,s__*}__v*_openapi.json; do
        name=$(basename "$file" _openapi.json)
        mkdir -p "$out/$(dirname "${name//__//}")"
        cp "$file" "$out/${name//__//}.json"
    done
    echo "$out"
}

# validate WHAT FILE... runs the validator with $options, and shows what it says
# only where it is not content.
validate() {
    local what=$1; shift
    if ! $KUBECTL_VALIDATE "${options[@]}" "$@" >"$work/said" 2>&1; then
        awk 'BEGIN { RS = "" } /ERROR/' "$work/said"
        fail "$what"
    else
        say "ok: $what, $# files"
    fi
}

say "helm lint"
$HELM lint deploy/sidecar/chart --quiet --strict || fail "helm lint"

# What people set, each by itself: the names are in the messages.
declare -A sets=(
    [default]=""
    [everything]="rcm.enabled=true,podMonitor.enabled=true,alerts.enabled=true,dashboard.enabled=true"
    [secret]="certificates.mode=secret,certificates.caBundle=Zm9v"
    [cert-manager]="certificates.mode=cert-manager"
    [strict]="injector.strict=true,injector.failurePolicy=Fail,image.pullSecrets={a},injector.excludedNamespaces={a,b}"
    [sidecar]="sidecar.settings.memory=1Gi,sidecar.options.cache\.max_age=10m,sidecar.image=example/fsproxy:1"
    [rcm-tls]="rcm.enabled=true,rcm.tls.secretName=rcm-tls,rcm.tls.clientCA=true"
    [rcm]="rcm.enabled=true,rcm.watchPods.namespaces={a,b},rcm.priorityClassName=high"
)
mkdir "$work/chart"
for name in "${!sets[@]}"; do
    $HELM template fsproxy deploy/sidecar/chart --namespace fsproxy --kube-version 1.30 --set "${sets[$name]}" \
        >"$work/chart/$name.yaml" || fail "helm template: $name"
done
grep -q -- --sidecar=container "$work/chart/default.yaml" && fail "the chart asks for ordinary containers where there are native ones"
$HELM template fsproxy deploy/sidecar/chart --kube-version 1.28 | grep -q -- --sidecar=container || fail "the chart asks for native sidecars where there are none"
# What a values file has as numbers and lists, in words that the injector takes.
cat >"$work/values.yaml" <<'END'
sidecar:
  settings: {run-as-user: 1000680000, socket: true}
  options:
    cache.max_bytes: 134217728
    cache.never_cache: ["a*", b]
    rollout.rules: [{name: canary, features: ["avg_*"], percent: 1}]
    log.format: json
END
$HELM template fsproxy deploy/sidecar/chart --kube-version 1.30 -f "$work/values.yaml" >"$work/chart/values.yaml" || fail "helm template with a values file"
mapfile -t words < <(sed -n 's/^ *- "\(--.*\)"$/\1/p' "$work/chart/values.yaml" | sed 's/\\"/"/g')
[ ${#words[@]} = 6 ] || fail "the chart hands on ${#words[@]} of 6 settings and options"
${FSPROXY:-"$GO" run ./cmd/fsproxy} inject "${words[@]}" --render deploy/sidecar/examples/prediction.yaml >"$work/injected-values.yaml" || fail "the injector does not take what the chart makes of values: ${words[*]}"
for wrong in injector.replicas=0 certificates.mode=none image.tagg=x certificates.mode=secret; do
    if $HELM template fsproxy deploy/sidecar/chart --set "$wrong" >/dev/null 2>&1; then
        fail "helm template takes $wrong"
    fi
done

say "kustomize"
mkdir "$work/kustomize"
for folder in base monitoring; do
    $KUSTOMIZE build "deploy/sidecar/$folder" >"$work/kustomize/$folder.yaml" || fail "kustomize build $folder"
done
HELM=$HELM bash deploy/render.sh "$work/rendered"
for folder in base monitoring; do
    for file in "$work/rendered/$folder"/*; do
        cmp -s "$file" "deploy/sidecar/$folder/$(basename "$file")" || fail "$folder/$(basename "$file") is not what the chart makes; run: make deploy-render"
    done
done

${FSPROXY:-"$GO" run ./cmd/fsproxy} inject --render deploy/sidecar/examples/prediction.yaml >"$work/injected.yaml" || fail "inject --render"
# Golden Pods, but for those of which these API servers would not all have heard,
# the List, which the validator does not know, and those that were refused, which
# have only comments.
mapfile -t pods < <(grep -lE '^kind:' inject/testdata/pods/*.out.yaml | grep -vE 'nobody-knows-yet|resources-of-the-pod|list-with')

mkdir "$work/crds"
cp "$(folder_of "github.com/prometheus-operator/prometheus-operator@$crds")"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml "$work/crds/"
cp "$(folder_of "github.com/cert-manager/cert-manager@$cert_manager")"/deploy/crds/cert-manager.io_{certificates,issuers}.yaml "$work/crds/"
manifests=("$work"/chart/*.yaml "$work"/kustomize/*.yaml "$work"/injected*.yaml deploy/sidecar/examples/*.yaml "${pods[@]}")
for version in $embedded; do
    options=(--version "$version" --local-crds "$work/crds")
    validate "Kubernetes $version" "${manifests[@]}"
done
for version in $kubernetes; do
    options=(--local-schemas "$(schemas_of "$version")" --local-crds "$work/crds")
    validate "Kubernetes $version" "${manifests[@]}"
done
# The validator must be able to say no, or all of the above says nothing.
sed 's/startupProbe/startProbe/' "$work/injected.yaml" >"$work/wrong.yaml"
if $KUBECTL_VALIDATE --version 1.30 "$work/wrong.yaml" >/dev/null 2>&1; then
    fail "the validator takes a field that there is not"
fi

say "alerts"
$PROMTOOL check rules deploy/sidecar/chart/files/alerts.yaml || fail "promtool check rules"
$PROMTOOL test rules deploy/sidecar/alerts_test.yaml || fail "promtool test rules"
# promtool check metrics, on what a sidecar that runs tells.
PROMTOOL=$PROMTOOL "$GO" test -count=1 -run 'Promtool|Alert' ./cmd/fsproxy || fail "promtool check metrics"

exit $failed
