# syntax=docker/dockerfile:1
# docker build --build-arg VERSION=0.1.0 --build-arg COMMIT=$(git rev-parse HEAD) -t broker:0.1.0 .
#
# To a registry, with a software bill of materials and the image's provenance, which Docker's usual builder refuses to attach:
# docker buildx create --use --driver docker-container
# docker buildx build --build-arg VERSION=0.1.0 --build-arg COMMIT=$(git rev-parse HEAD) --sbom=true --provenance=true --push -t registry.example/broker:0.1.0 .
# (`broker.deps.json` in the image and the lock files in the repository list the same packages as the bill.)
#
# Compiled ahead of time for one processor, so that a fresh process answers its first burst without a just-in-time compiler in the way.
FROM --platform=$BUILDPLATFORM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
ARG TARGETARCH
ARG VERSION=0.1.0
ARG COMMIT=unknown
WORKDIR /source
COPY global.json Directory.Build.props Directory.Packages.props BannedSymbols.txt .editorconfig ./
COPY Broker.Core/Broker.Core.csproj Broker.Core/packages.lock.json Broker.Core/
COPY Broker.Api/Broker.Api.csproj Broker.Api/packages.lock.json Broker.Api/
# What is known of packages is looked up by CI, not here: a warning of it is an error, and an advisory would make a released version one that cannot be built.
RUN dotnet restore Broker.Api --arch $TARGETARCH --locked-mode -p:PublishReadyToRun=true -p:NuGetAudit=false
COPY Broker.Core Broker.Core
COPY Broker.Api Broker.Api
RUN dotnet publish Broker.Api --configuration Release --no-restore --output /app \
      --arch $TARGETARCH --self-contained false -p:PublishReadyToRun=true -p:UseAppHost=false -p:NuGetAudit=false \
      -p:Version=${VERSION} -p:SourceRevisionId=${COMMIT} -p:DebugType=none
# Directories that a volume is mounted over take their owner from here.
RUN install -d -m 0700 /keys && install -d -m 0700 /data

# glibc, because the embedded Lua library does not run on musl; chiseled: no shell, no package manager, not root.
FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
ARG VERSION=0.1.0
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="broker" \
      org.opencontainers.image.description="One database lease for many pods, and never a connection promised that the database cannot serve." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=build /app .
COPY --from=build --chown=$APP_UID:$APP_UID /keys /var/lib/broker/keys
COPY --from=build --chown=$APP_UID:$APP_UID /data /var/lib/broker/data
# Nothing is written outside of what is configured, so the root file system may be read-only.
ENV ASPNETCORE_HTTP_PORTS=8080 \
    BROKER_CONFIG=/app/config/broker.json \
    DOTNET_USE_POLLING_FILE_WATCHER=1 \
    DOTNET_EnableDiagnostics=0
EXPOSE 8080 8443
USER $APP_UID
# There is no shell: the program asks itself.
HEALTHCHECK --interval=5s --timeout=4s --start-period=10s CMD ["dotnet", "broker.dll", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["dotnet", "broker.dll"]
