namespace Broker.Core.Ledger;

/// <summary>Users in a database that look like the broker's and that no lease knows.</summary>
public sealed class LeftoverLedger(LedgerClient client)
{
    /// <summary>Records the complete list.</summary>
    /// <param name="database">The database.</param>
    /// <param name="users">The users.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="unsure">There may be more: the origin of some users could not be determined, so the database is searched again although it is unused.</param>
    public async ValueTask ReplaceLeftoversAsync(string database, IReadOnlyList<(string Username, string Facts)> users, CancellationToken cancellation, bool unsure = false) =>
        await client.TakeAsync(Decision.ReplaceLeftovers, database, new(unsure, [.. users.Select(user => new FoundUser(user.Username, user.Facts))]), cancellation);

    /// <summary>The leftovers found last.</summary>
    public async ValueTask<IReadOnlyList<LeftoverRecord>> LeftoversAsync(string database, CancellationToken cancellation) =>
        (await client.TakeAsync(Decision.Leftovers, database, new(), cancellation)).Users;
}

/// <summary>A user in a database that looks like the broker's and that no lease knows.</summary>
/// <param name="Username">Its name.</param>
/// <param name="FirstSeenAt">When it was first found.</param>
/// <param name="Facts">Its finder's observations.</param>
public sealed record LeftoverRecord(string Username, DateTimeOffset FirstSeenAt, string Facts);

/// <summary>All leftovers.</summary>
internal sealed record LeftoversReply(IReadOnlyList<LeftoverRecord> Users);

/// <summary>All leftovers found.</summary>
internal sealed record ReplaceLeftoversQuestion(bool Unsure, IReadOnlyList<FoundUser> Users);

/// <summary>A user that was found, with its finder's observations.</summary>
internal sealed record FoundUser(string Username, string Facts);
