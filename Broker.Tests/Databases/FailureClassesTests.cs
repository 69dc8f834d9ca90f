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
    // Of Supavisor and PgCat, and an I/O error of the server: https://github.com/supabase/supavisor, https://github.com/postgresml/pgcat
    [Theory]
    [InlineData("XX000", "(EMAXCONN) max client connections reached", DatabaseFailure.Unavailable)]
    [InlineData("58000", "could not get connection from the pool - AllServersDown", DatabaseFailure.Unavailable)]
    [InlineData("58030", "could not read file", DatabaseFailure.Unavailable)]
    [InlineData("XX000", "Tenant or user not found", DatabaseFailure.LoginRefused)]
    [InlineData("58000", "No pool configured for database: \"app\", user: \"u\"", DatabaseFailure.LoginRefused)]
    [InlineData("28P01", "password authentication failed", DatabaseFailure.LoginRefused)]
    public void A_pooler_s_trouble_of_its_own_is_no_refused_login_of_PostgreSQL(string code, string words, DatabaseFailure failure) =>
        PostgreSqlFailure.OfLogin(Database(), "u", new PostgresException(words, "FATAL", "FATAL", code)).Failure.ShouldBe(failure);

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
