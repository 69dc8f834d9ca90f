using Broker.Core.Catalog;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;

namespace Broker.Tests.Databases;

/// <summary>A real database behind a real PgBouncer, as the catalog has it.</summary>
internal static class Pooled
{
    /// <summary>Of a server and its pooler, which may have 20 of its connections.</summary>
    public static Database Of(LocalPostgres postgres, LocalPgBouncer pgBouncer) => new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.PostgreSql,
        Host = postgres.Host,
        Port = postgres.Port,
        DatabaseName = postgres.Database,
        AdminConnectionString = new(postgres.AdminConnectionString),
        Budget = new(),
        Issuing = new(),
        Pooler = new() { Kind = PoolerKind.PgBouncer, Host = "127.0.0.1", Port = pgBouncer.Port, PoolSize = 20, ConsoleConnectionString = new(pgBouncer.ConsoleConnectionString) },
    };

    /// <summary>The same with another connection string of the console.</summary>
    public static Database By(this Database database, string console) => database with { Pooler = database.Pooler! with { ConsoleConnectionString = new(console) } };
}
