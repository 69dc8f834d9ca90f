using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Tells the server of passwords in the form that it takes: as verifiers (<see cref="PasswordVerifier"/>), or else as they are. Neon hands them on to what keeps its roles, which says so in a
/// setting of Neon's; other servers, such as those with credcheck, which looks at a password's letters, say it when they refuse the verifier, and are told the password from then on.
/// https://neon.com/docs/manage/roles, https://github.com/HexaCluster/credcheck
/// </summary>
internal sealed class ToldPasswords(AdminConnections admin)
{
    // Null: it takes no verifiers. A setting of credcheck's is no proof that it is there: a service's configuration may have it without.
    private const string Form = """
        SELECT CASE WHEN coalesce(current_setting('neon.tenant_id', true), '') = '' THEN current_setting('password_encryption', true) END,
               coalesce(nullif(current_setting('scram_iterations', true), '')::int, 4096)
        """;

    // Neon's words, and credcheck's; neither translates them.
    private static readonly string[] OnlyPlain = ["plaintext password", "password type is not a plain text"];

    // By server.
    private readonly ConcurrentDictionary<string, bool> takePlain = new(StringComparer.Ordinal);

    /// <summary>Runs statements that may have a password in them.</summary>
    /// <param name="database">The database.</param>
    /// <param name="login">The user and the password.</param>
    /// <param name="statements">Ready to run, with the password as it is.</param>
    /// <param name="run">Runs them in a transaction: what is refused is undone.</param>
    /// <param name="cancellation">Ends the wait for the server's settings.</param>
    /// <exception cref="DatabaseException">The server refuses, is not there, or its answer was lost.</exception>
    public async Task RunAsync(Database database, Login login, IReadOnlyList<string> statements, Func<IReadOnlyList<string>, Task> run, CancellationToken cancellation)
    {
        var settings = AdminConnections.Settings(database);
        var server = $"{settings.Host}:{settings.Port}";
        if (takePlain.ContainsKey(server))
        {
            await run(statements);
            return;
        }

        var (encryption, iterations) = await FormAsync(database, cancellation);
        string[] told = [.. statements.Select(statement => PasswordVerifier.PutIn(statement, login, encryption, iterations))];
        try
        {
            await run(told);
        }
        catch (DatabaseException refusal) when (
            refusal.Failure == DatabaseFailure.StatementRefused && OnlyPlain.Any(words => refusal.Message.Contains(words, StringComparison.OrdinalIgnoreCase)) && !told.SequenceEqual(statements))
        {
            await run(statements);
            takePlain[server] = true;
        }
    }

    private Task<(string? Encryption, int Iterations)> FormAsync(Database database, CancellationToken cancellation) =>
        AdminReads.RunAsync<(string?, int)>(
            admin,
            database,
            Form,
            [],
            async reader => await reader.ReadAsync(cancellation) ? (await reader.IsDBNullAsync(0, cancellation) ? null : reader.GetString(0), reader.GetInt32(1)) : (null, 0),
            cancellation);
}
