# docker build --build-arg VERSION=v0.1.0 --build-arg COMMIT=$(git rev-parse HEAD) -t fsproxy .

FROM golang:1.26 AS build
WORKDIR /src
# The modules are a layer of their own: they change less often than the source.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=unknown
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
    -o /fsproxy ./cmd/fsproxy

FROM scratch
# The system's certificates, for upstream.tls without a ca_file.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /fsproxy /fsproxy

# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
# 1337 is taken by Istio, which does not intercept traffic of that user.
USER 65532:65532

# Clients, on loopback of the shared network namespace of a Pod, and the admin
# side, on loopback too unless FSPROXY_ADMIN_ADDRESS=:9190 opens it to scraping.
EXPOSE 6379 9190

# Asks the admin address of the configuration in the environment: name a file
# by FSPROXY_CONFIG, and not by --config, so that this check reads the same.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/fsproxy", "check", "--ready"]

ENTRYPOINT ["/fsproxy"]
CMD ["serve"]
