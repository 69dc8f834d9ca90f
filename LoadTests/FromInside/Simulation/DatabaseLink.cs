using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Model;

namespace LoadTests.FromInside.Simulation;

/// <summary>One replica's way to the model database.</summary>
internal sealed class DatabaseLink(DatabaseServer server, ICatalog catalog, Random random) : IDatabaseEngine
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public DatabaseEngineKind Kind => DatabaseEngineKind.PostgreSql;

    public EngineDialect Dialect { get; } = new(63, [], CapsUsers: true);

    public Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation) => CallAsync(
        () => server.Sample(catalog.Current.Roles.Values.Where(role => role.Database == database.Name).Select(role => role.Name).ToHashSet(StringComparer.Ordinal)), cancellation);

    public Task<IReadOnlyList<Finding>> ExamineAsync(Database database, IReadOnlyCollection<string> users, CancellationToken cancellation) => throw new NotSupportedException();

    public Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation) => throw new NotSupportedException();

    public Task TryLoginAsync(Database database, Login login, CancellationToken cancellation) => CallAsync(
        () => server.TryLogin(login.Username, login.Password.Reveal()) is { } failure ? throw new DatabaseException(failure, $"login: {failure}") : true,
        cancellation);

    // Users are made and dropped by the issuer's model.
    public Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) => throw new NotSupportedException();

    public Task CapUserAsync(Database database, string username, int? connections, CancellationToken cancellation) => CallAsync(() => server.Cap(username, connections), cancellation, DatabaseFailure.AnswerLost);

    public Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation) => throw new NotSupportedException();

    public Task ShutOutAsync(Database database, string username, CancellationToken cancellation) => CallAsync(() => server.ShutOut(username), cancellation, DatabaseFailure.AnswerLost);

    public Task<int?> CountSessionsAsync(Database database, string username, CancellationToken cancellation) => CallAsync(() => server.CountSessions(username), cancellation);

    public Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) => CallAsync(() => server.Drop(username), cancellation, DatabaseFailure.AnswerLost);

    public Task<int?> UserLimitAsync(Database database, string username, CancellationToken cancellation) => Task.FromResult<int?>(null);

    public Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation) => CallAsync<IReadOnlyList<DatabaseUser>>(
        () => server.IsDown
            ? throw new DatabaseException(DatabaseFailure.Unavailable, "the database is down")
            : [.. server.Users.Values.Where(user => user.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(user => new DatabaseUser(user.Name, ActorClock.Start + user.ValidUntil, user.Open))],
        cancellation);

    public ConnectionStrings Describe(Database database, Login login, int connections, string? holder = null) => new([new(database.Host, database.Port)], []) { Named = new("", "", "", "", "") };

    // What changes something may yet be carried out when its answer does not come.
    private Task<T> CallAsync<T>(Func<T> carryOut, CancellationToken cancellation, DatabaseFailure unanswered = DatabaseFailure.Unavailable) => server.Wire.CallAsync(
        carryOut,
        new(
            TimeSpan.FromMicroseconds(random.Next(300, 20_000)) + server.SlowBy * (server.SlowBy > TimeSpan.Zero ? random.NextDouble() : 0),
            TimeSpan.FromMicroseconds(random.Next(300, 5_000)),
            Returns: server.LosesAnswers == 0 || random.NextDouble() >= server.LosesAnswers),
        Patience,
        () => new DatabaseException(unanswered, "the database did not answer in time"),
        cancellation);
}
