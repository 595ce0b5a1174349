# The service as one binary on a small Debian. It needs a database: there is no PostgreSQL in this image.

FROM rust:1.94-bookworm AS build
WORKDIR /build
# SQL was checked against .sqlx when it was committed, so that building needs no database.
ENV SQLX_OFFLINE=true
COPY . .
# What is logged at the start and told in /metrics: `docker build --build-arg BUILD_COMMIT=$(git rev-parse HEAD) .`
ARG BUILD_COMMIT
ENV BUILD_COMMIT=$BUILD_COMMIT
# The caches keep crates and objects between builds; the binary leaves them within the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/bailiwick /usr/local/bin/bailiwick

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Bailiwick" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /usr/local/bin/bailiwick /usr/local/bin/bailiwick
# A bailiwick.toml that is mounted here is read.
WORKDIR /etc/bailiwick
# In a container, the outside is reached through all interfaces; which of these ports are published is decided elsewhere.
ENV BAILIWICK_LISTEN=0.0.0.0:8080 \
    BAILIWICK_METRICS_LISTEN=0.0.0.0:9090
EXPOSE 8080 9090
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
# Whether the process answers; whether it may get traffic is asked at /readyz. By bash, since the image has no curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["bailiwick"]
CMD ["serve"]
