# Built once for every processor: the program is portable, its native Lua library comes in all builds.
FROM --platform=$BUILDPLATFORM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY global.json Directory.Build.props Directory.Packages.props BannedSymbols.txt .editorconfig ./
COPY Broker.Core/Broker.Core.csproj Broker.Core/packages.lock.json Broker.Core/
COPY Broker.Api/Broker.Api.csproj Broker.Api/packages.lock.json Broker.Api/
RUN dotnet restore Broker.Api --locked-mode
COPY Broker.Core Broker.Core
COPY Broker.Api Broker.Api
RUN dotnet publish Broker.Api --configuration Release --no-restore --output /app -p:UseAppHost=false

# A glibc image: the Lua library does not run on musl (Alpine).
FROM mcr.microsoft.com/dotnet/aspnet:10.0
WORKDIR /app
COPY --from=build /app .
# A volume mounted here takes over this owner, so that replicas can share sealing keys without running as root.
RUN install -d -o $APP_UID -g $APP_UID -m 0700 /var/lib/broker/keys
# Nothing is written outside of what is configured, so the root file system may be read-only.
ENV ASPNETCORE_HTTP_PORTS=8080 \
    BROKER_CONFIG=/app/config/broker.json \
    DOTNET_EnableDiagnostics=0
EXPOSE 8080
USER $APP_UID
ENTRYPOINT ["dotnet", "broker.dll"]
