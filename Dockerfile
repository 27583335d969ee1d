# vpcsim with the tools that a lab wants. Two bases, both replaceable, so that
# the image also builds where no registry can be reached:
#
#   docker build -t vpcsim .
#   docker build -t vpcsim --build-arg BUILD_BASE=my-go --build-arg RUN_BASE=my-debian .
ARG BUILD_BASE=golang:1.26-bookworm
ARG RUN_BASE=debian:bookworm-slim

FROM ${BUILD_BASE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/vpcsim ./cmd/vpcsim

FROM ${RUN_BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates curl dnsutils iperf3 iproute2 iputils-ping iputils-tracepath \
      netcat-openbsd procps tcpdump traceroute wireguard-tools \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/vpcsim /usr/local/bin/vpcsim
ENTRYPOINT ["vpcsim"]
CMD ["demo"]
