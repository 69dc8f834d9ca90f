using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Users of a PgBouncer that reads them from a file. It can log in to the server as one of them only if the file contains exactly what the
/// server keeps of the password (https://www.pgbouncer.org/config.html#authentication-file-format). Only a superuser may read that there, but anybody who
/// knows the password can derive it: during a login the server sends its salt and iterations, and proves that it has the rest.
/// </summary>
internal static class ListedUsers
{
    /// <summary>On a volume that hosts share, a file may become visible late; and each replica may have a process and a file of its own.</summary>
    private static readonly TimeSpan KnownWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    /// <summary>What the server keeps of a login's password.</summary>
    /// <exception cref="DatabaseException">It cannot be reached, refuses the login, or keeps passwords in another form.</exception>
    public static async Task<string> VerifierAsync(Database database, Login login, CancellationToken cancellation)
    {
        var settings = PodView.LoginSettings(database, login);
        DatabaseException? failure = null;
        foreach (var server in AdminConnections.Servers(settings))
        {
            using var within = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            within.CancelAfter(TimeSpan.FromSeconds(AdminConnections.ConnectSeconds));
            var peer = new ProtocolPeer(
                $"Database '{database.Name}': its server at {server}",
                $"refused the login of '{login.Username}', which a pooler with a UserList needs (perhaps add the broker's host to pg_hba.conf)",
                "has no TLS, but AdminConnectionString or Pods:SslMode requires it.",
                "a pooler with a UserList needs password_encryption = scram-sha-256, and the method scram-sha-256 for the broker's host in pg_hba.conf.");
            try
            {
                await using var connection = await ProtocolConnection.OpenAsync(peer, server, settings, within.Token);
                return (await connection.ProveAsync(settings, within.Token)).Verifier;
            }
            catch (DatabaseException exception)
            {
                failure ??= exception;
            }
            catch (OperationCanceledException exception) when (!cancellation.IsCancellationRequested)
            {
                failure ??= new(DatabaseFailure.Unavailable, $"{peer.Where} did not answer in time.", exception);
            }
        }

        throw failure!;
    }

    /// <summary>Waits until each process of the pooler that answers lets the login in.</summary>
    /// <exception cref="DatabaseException">No process answers, or one does not let it in.</exception>
    public static Task WaitAsync(Database database, Login login, TimeProvider clock, CancellationToken cancellation) => PoolerProcesses.EachAsync(
        database,
        KnownWithin + PoolerProcesses.AnswerWithin,
        async (server, console, token) =>
        {
            var settings = new NpgsqlConnectionStringBuilder(console.ConnectionString)
            {
                Username = login.Username,
                Password = login.Password.Reveal(),
                Database = database.Pooler!.DatabaseName ?? database.DatabaseName,
                Options = null,
            };
            var peer = new ProtocolPeer(
                $"Database '{database.Name}': its pooler at {server}",
                $"does not let in user '{login.Username}', who is in its UserList (is that file its auth_file, and can it read it?)",
                "has no TLS, but ConsoleConnectionString requires it (client_tls_sslmode).",
                "set auth_type = scram-sha-256 in its configuration.");
            var began = clock.GetTimestamp();
            while (true)
            {
                try
                {
                    await using var connection = await ProtocolConnection.OpenAsync(peer, server, settings, token);
                    await connection.ProveAsync(settings, token);
                    return true;
                }
                catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.LoginRefused && clock.GetElapsedTime(began) < KnownWithin)
                {
                    await Task.Delay(LookAgain, clock, token);
                }

                await using var asked = await PoolerConsole.OpenAsync(database, server, console, token);
                await PoolerProcesses.ReloadAsync(asked, token);
            }
        },
        cancellation);
}
