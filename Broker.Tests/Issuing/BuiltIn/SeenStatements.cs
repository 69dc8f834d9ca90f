using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Model;

namespace Broker.Tests.Issuing.BuiltIn;

/// <summary>An engine that passes everything on and remembers the password in the statements it ran, which nobody else tells.</summary>
internal sealed partial class SeenStatements(IDatabaseEngine engine) : IDatabaseEngine
{
    public string? Password { get; private set; }

    public DatabaseEngineKind Kind => engine.Kind;

    public EngineDialect Dialect => engine.Dialect;

    public Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation)
    {
        Password = Generated().Match(string.Join('\n', statements)).Value;
        return engine.CreateUserAsync(database, login, statements, ownerRole, cancellation);
    }

    public Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation) =>
        engine.RunAsync(database, statements, cancellation);

    public Task CapUserAsync(Database database, string username, int? connections, CancellationToken cancellation) =>
        engine.CapUserAsync(database, username, connections, cancellation);

    public Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation) => engine.SampleAsync(database, cancellation);

    public Task<IReadOnlyList<Finding>> ExamineAsync(Database database, IReadOnlyCollection<string> users, CancellationToken cancellation) => engine.ExamineAsync(database, users, cancellation);

    public Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation) => engine.SessionsAsync(database, cancellation);

    public Task TryLoginAsync(Database database, Login login, CancellationToken cancellation) => engine.TryLoginAsync(database, login, cancellation);

    public Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation) =>
        engine.DropUserAsync(database, username, statements, ownerRole, cancellation);

    public Task<int?> CountSessionsAsync(Database database, string username, CancellationToken cancellation) =>
        engine.CountSessionsAsync(database, username, cancellation);

    public Task ShutOutAsync(Database database, string username, CancellationToken cancellation) =>
        engine.ShutOutAsync(database, username, cancellation);

    public Task<int?> UserLimitAsync(Database database, string username, CancellationToken cancellation) => engine.UserLimitAsync(database, username, cancellation);

    public Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation) =>
        engine.FindUsersAsync(database, prefix, cancellation);

    public ConnectionStrings Describe(Database database, Login login, int connections, string? holder = null) => engine.Describe(database, login, connections, holder);

    [GeneratedRegex("(?<![A-Za-z0-9_-])[A-Za-z][A-Za-z0-9_-]{31}(?![A-Za-z0-9_-])")]
    private static partial Regex Generated();
}
