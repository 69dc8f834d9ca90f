using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>A server that is full, away, or in trouble says nothing about a login or a statement, by whichever code it says so.</summary>
public sealed partial class FailureClassesTests
{
    private static Database Database(string administrator = "unused") => new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.MongoDb,
        Host = "127.0.0.1",
        Port = 1,
        DatabaseName = "app",
        AdminConnectionString = new(administrator),
        Budget = new(),
        Issuing = new(),
    };
}
