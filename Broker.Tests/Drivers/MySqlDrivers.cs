using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Shouldly;
using Xunit;

namespace Broker.Tests.Drivers;

/// <summary>What the tests of MySQL's drivers share: strings, connections of every driver, and what must be seen of them.</summary>
internal static class MySqlDrivers
{
    public const string Holder = "orders/orders-api-6f7c9d-x2x9q~sfSfGIpv";
    public const string HardPassword = "p@ss:w/ord?#[]!&=+%41 ;,'\"\\ {} $1";

    // As hard as MariaDB's Java driver takes one.
    public const string Password = "p@ss:w/ord?[]!= ,'\"\\ {} $1";

    public static readonly string[] All = ["mysqlconnector", "sqlalchemy+pymysql", "go-sql-driver<1.8", "mariadb/j", "mysql2", "mariadb", "uri"];
    private static readonly string[] WithoutName = ["go-sql-driver<1.8"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static Database PlainDatabase => new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.MySql,
        Host = "orders-db",
        Port = 3306,
        DatabaseName = "app",
        AdminConnectionString = new("User ID=admin"),
        Budget = new(),
        Issuing = new(),
    };

    public static ConnectionStrings Describe(Database database, Login login) => MySqlConnectionStrings.Of(database, login, 5, Holder);

    public static async Task<(ConnectionStrings Strings, IReadOnlyList<Seen> Seen, IReadOnlyList<Seen> Refused)> ConnectAsync(Database database, Login login, bool? encrypted, params string[] cannot)
    {
        var strings = Describe(database, login);
        var all = await DriverPrograms.ConnectAsync(strings);
        var seen = all.Where(driver => !cannot.Contains(driver.Driver)).ToList();

        foreach (var driver in strings.Drivers.Where(driver => driver.Text is null)) driver.Note.ShouldNotBeNull(driver.Driver);
        seen.Select(driver => driver.Driver).Order().ShouldBe(All.Except(cannot).Order());
        foreach (var driver in seen)
        {
            (driver.Error, driver.User, driver.Database).ShouldBe((null, login.Username, database.DatabaseName), driver.Driver);
            if (!WithoutName.Contains(driver.Driver)) driver.Name.ShouldBe(Holder, driver.Driver);
            if (encrypted is not null) driver.Encrypted.ShouldBe(encrypted.Value, driver.Driver);
            if (driver.Driver is "mysqlconnector" or "mysql2" or "mariadb" or "uri") driver.Pool.ShouldBe(5, driver.Driver);
        }

        return (strings, seen, [.. all.Except(seen)]);
    }
}
