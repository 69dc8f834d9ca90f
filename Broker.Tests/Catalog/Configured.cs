using System.Text;
using Broker.Core.Catalog;
using Microsoft.Extensions.Configuration;

namespace Broker.Tests.Catalog;

/// <summary>A whole, right configuration, and ways to spoil it.</summary>
internal static class Configured
{
    public const string Json = """
        { "Broker": {
          "Issuers": {
            "vault": { "Kind": "Vault", "Address": "https://vault:8200", "Auth": { "Method": "Token", "Token": "hvs.secret-one" } },
            "here": { "Kind": "BuiltIn" } },
          "Databases": { "orders": { "Engine": "PostgreSql", "Host": "orders-db", "Name": "app",
            "AdminConnectionString": "Host=orders-db;Password=secret-two", "Budget": { "CeilingPercent": 70, "Ceiling": null } } },
          "Roles": {
            "orders-api": { "Database": "orders", "Issuer": "vault", "VaultPath": "database/creds/orders-api",
              "Allow": [ { "Issuer": "kubernetes", "Claims": { "namespace": "orders", "serviceaccount": "orders-api" } } ] },
            "orders-jobs": { "Database": "orders", "Issuer": "here", "CreationStatements": [ "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'" ],
              "Allow": [ { "Issuer": "kubernetes", "Claims": { "cognito:groups": "jobs" } } ] } },
          "Identity": { "Issuers": { "kubernetes": { "Authority": "https://kubernetes.default.svc", "Audience": "broker" } } } } }
        """;

    /// <summary>The right configuration with some values replaced; an empty text takes a value out.</summary>
    public static IConfigurationRoot With(params (string Key, string? Value)[] changes) =>
        new ConfigurationBuilder()
            .AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(Json)))
            .AddInMemoryCollection(changes.Select(change => KeyValuePair.Create($"Broker:{change.Key}", change.Value)))
            .Build();

    public static CatalogReading Read(params (string Key, string? Value)[] changes) => CatalogReader.Read(With(changes));
}
