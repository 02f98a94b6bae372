# Gatehouse in a small image: built with Swift on Debian 12, run on Debian 12 without Swift.
# The packages are those of `scripts/setup --list build` and `--list run`; a test holds them together.
FROM swift:6.3-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates \
        libcurl4-openssl-dev \
        libhiredis-dev \
        libjansson-dev \
        libpcre2-dev \
        libssl-dev \
        pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
RUN swift build --configuration release --static-swift-stdlib --product gatehouse \
    && install -s .build/release/gatehouse /usr/local/bin/gatehouse

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates \
        libcurl4 \
        libhiredis0.14 \
        libjansson4 \
        libpcre2-8-0 \
        libssl3 \
        libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/gatehouse --create-home gatehouse \
    && chmod 700 /var/lib/gatehouse
COPY --from=build /usr/local/bin/gatehouse /usr/local/bin/gatehouse
USER gatehouse
WORKDIR /var/lib/gatehouse
ENV GATEHOUSE_DATA_DIR=/var/lib/gatehouse/data GATEHOUSE_KEYS_DIR=/var/lib/gatehouse/keys
EXPOSE 8000 8007
ENTRYPOINT ["gatehouse"]
CMD ["serve", "--config", "/etc/gatehouse/gatehouse.yaml"]
