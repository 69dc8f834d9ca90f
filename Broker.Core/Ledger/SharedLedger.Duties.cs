using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>Duties, what all replicas share besides leases, and the places for calls that change users.</summary>
public sealed partial class SharedLedger
{
    /// <summary>
    /// How long a ledger that is new waits before its connections are counted for the first time: if it is not new but has lost
    /// everything, the replicas that remember speak first (law L8).
    /// </summary>
    public static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(750);

    /// <summary>Takes duties that are due; each passes on to another replica when it is not done in time.</summary>
    /// <param name="database">The database, or <see cref="Issuers"/>.</param>
    /// <param name="standing">Duties that are always there; put in when they are missing, as after the ledger lost everything.</param>
    /// <param name="most">How many to take at most.</param>
    /// <param name="takenFor">How long they are this replica's.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<DueAnswer> DueAsync(
        string database, IReadOnlyList<string> standing, int most, TimeSpan takenFor, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Due, database, [Text(most), Text(takenFor), Text(Settling), .. standing], cancellation);
        var taken = new TakenDuty[(v.Length - 1) / 3];
        for (var i = 0; i < taken.Length; i++) taken[i] = new(v[1 + 3 * i], v[2 + 3 * i], Number(v[3 + 3 * i]));
        return new(v[0], taken);
    }

    /// <summary>A duty is done, or failed.</summary>
    /// <param name="database">The database, or <see cref="Issuers"/>.</param>
    /// <param name="duty">The duty.</param>
    /// <param name="next">When it is due again; null: never.</param>
    /// <param name="failure">What failed; null: it is done.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask DoneAsync(string database, TakenDuty duty, TimeSpan? next, string? failure, CancellationToken cancellation) =>
        await store.DecideAsync(
            Decision.Done, database, [duty.Name, duty.Token, next is { } at ? Text(at) : "-1", Shortened(failure ?? "")], cancellation);

    /// <summary>Makes a duty due now.</summary>
    public async ValueTask HurryAsync(string database, string kind, string subject, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Hurry, database, [kind, subject], cancellation);

    /// <summary>The duties, those due first, at most so many.</summary>
    public async ValueTask<IReadOnlyList<DutyRecord>> DutiesAsync(string database, int most, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Duties, database, [Text(most)], cancellation);
        var found = new DutyRecord[(v.Length - 1) / 6];
        for (var i = 0; i < found.Length; i++)
        {
            var at = 1 + 6 * i;
            found[i] = new(v[at], Time(v[at + 1])!.Value, v[at + 2] != "0", Number(v[at + 3]), Time(v[at + 4]), v[at + 5]);
        }

        return found;
    }

    /// <summary>Takes one of the database's places for calls that change users. False: all are taken.</summary>
    public async ValueTask<bool> TakeFlightAsync(string database, string name, PaceSettings pace, TimeSpan atMost, CancellationToken cancellation) =>
        (await store.DecideAsync(Decision.Flight, database, [name, "take", Text(pace.InFlight), Text(atMost)], cancellation))[0] == "ok";

    /// <summary>Gives the place back.</summary>
    public async ValueTask LandAsync(string database, string name, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Flight, database, [name, "land"], cancellation);

    /// <summary>A text all replicas share; null when there is none, and how long ago it was put there.</summary>
    public async ValueTask<(string Text, TimeSpan Age)?> ReadSharedAsync(string name, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Shared, Issuers, [name], cancellation);
        return v.Length == 0 ? null : (v[0], Milliseconds(v[1]));
    }

    /// <summary>Puts a text in the place of another, if that is still there (null: none). False: another is there.</summary>
    public async ValueTask<bool> ReplaceSharedAsync(string name, string? expected, string following, CancellationToken cancellation) =>
        (await store.DecideAsync(Decision.Shared, Issuers, [name, expected ?? "", following], cancellation))[0] == "ok";

    private static string Shortened(string text) => text.Length <= 500 ? text : text[..500];
}
