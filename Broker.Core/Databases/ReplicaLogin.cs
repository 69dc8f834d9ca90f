using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Core.Databases;

/// <summary>The first login of a new user, on a server that it may reach late.</summary>
public static class ReplicaLogin
{
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromMilliseconds(200);

    /// <summary>Tries the login; if pods connect to a replica, it repeats until the user has arrived there or <see cref="Database.ReplicaLag"/> is over.</summary>
    /// <exception cref="DatabaseException">It does not work.</exception>
    public static async Task TryNewLoginAsync(
        this IDatabaseEngine engine, Database database, Login login, TimeProvider clock, CancellationToken cancellation)
    {
        var began = clock.GetTimestamp();
        while (true)
        {
            try
            {
                await engine.TryLoginAsync(database, login, cancellation);
                return;
            }
            catch (DatabaseException exception) when (
                exception.Failure == DatabaseFailure.LoginRefused && clock.GetElapsedTime(began) + AskAgainAfter < database.ReplicaLag)
            {
                await Task.Delay(AskAgainAfter, clock, cancellation);
            }
        }
    }
}
