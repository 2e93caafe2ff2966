# The linters, each run at a fixed version so that all see the same findings.
# Nothing is installed: `go run` builds them into Go's own cache.

GOFUMPT := $(GO) run mvdan.cc/gofumpt@v0.12.0
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
ERRORLINT := $(GO) run github.com/polyfloyd/go-errorlint@v1.8.0
GOVULNCHECK := $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.8.0

# Of the manifests. The first run builds them, which takes some minutes.
HELM := $(GO) run helm.sh/helm/v4/cmd/helm@v4.3.1
KUSTOMIZE := $(GO) run sigs.k8s.io/kustomize/kustomize/v5@v5.8.2
KUBECTL_VALIDATE := $(GO) run sigs.k8s.io/kubectl-validate@v0.0.4
PROMTOOL := $(GO) run -modfile=$(CURDIR)/deploy/tools/promtool/go.mod github.com/prometheus/prometheus/cmd/promtool

.PHONY: lint-format lint-vet lint-staticcheck lint-errors lint-vulnerabilities lint-deploy deploy-render

# Only folders of packages: not what npm put under e2e.
lint-format:
	@files=$$($(GO) list -tags e2e -f '{{range .GoFiles}}{{$$.Dir}}/{{.}} {{end}}{{range .TestGoFiles}}{{$$.Dir}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$.Dir}}/{{.}} {{end}}{{range .IgnoredGoFiles}}{{$$.Dir}}/{{.}} {{end}}' ./...) && \
	unformatted=$$($(GOFUMPT) -l $$files) && \
	if [ -n "$$unformatted" ]; then \
		echo "lint: not in gofumpt's format (run gofumpt -w on them):"; echo "$$unformatted"; exit 1; \
	fi

lint-vet:
	$(GO) vet ./...
	$(GO) vet -tags e2e ./e2e/...

lint-staticcheck:
	$(STATICCHECK) ./...
	$(STATICCHECK) -tags e2e ./e2e/...

lint-errors:
	$(ERRORLINT) ./...
	$(ERRORLINT) -tags e2e ./e2e/...

# A vulnerability that the code reaches fails; a database that cannot be
# reached is only said, since it says nothing about the code. `go run` turns
# every failing exit code into 1, so the two are told apart by what is printed.
lint-vulnerabilities:
	@output=$$($(GOVULNCHECK) ./... 2>&1); status=$$?; \
	printf '%s\n' "$$output"; \
	if [ $$status -eq 0 ]; then exit 0; fi; \
	case $$output in \
	*"govulncheck: fetching vulnerabilities: "*) \
		echo "lint: NOTICE: the vulnerability database cannot be reached; dependencies were not checked";; \
	*) exit 1;; \
	esac

lint-deploy: ## check the manifests under deploy/ without a cluster
	GO="$(GO)" HELM="$(HELM)" KUSTOMIZE="$(KUSTOMIZE)" KUBECTL_VALIDATE="$(KUBECTL_VALIDATE)" PROMTOOL="$(PROMTOOL)" bash deploy/check.sh

deploy-render: ## make the kustomize manifests from the chart anew
	HELM="$(HELM)" bash deploy/render.sh
