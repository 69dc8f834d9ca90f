using System.Collections.Concurrent;
using System.Globalization;
using Broker.Core.Ledger.Wire;

namespace Broker.Core.Ledger;

/// <summary>
/// One replica's access to the ledger. It knows the mark of its own last change to each database's records, and the highest that it has seen of
/// any replica's, and sends both with every decision: a ledger with only earlier marks has lost the later changes, and begins another epoch
/// (law L8).
/// </summary>
/// <param name="store">Where decisions run.</param>
/// <param name="voice">The replica's own name; null: a random one.</param>
/// <param name="address">Where a database's records are (<see cref="LedgerKeys"/>); null: each is on a server of its own.</param>
public sealed class LedgerClient(ILedgerStore store, string? voice = null, Func<string, CancellationToken, ValueTask<string>>? address = null)
{
    private readonly string voice = voice ?? store.NewVoice();
    private readonly ConcurrentDictionary<string, State> states = new(StringComparer.Ordinal);

    /// <summary>How long the ledger, when it is new, grants nothing: see <see cref="DutyLedger.Settling"/>.</summary>
    internal TimeSpan Settling => store.IsOfThisProcess ? TimeSpan.Zero : DutyLedger.Settling;

    /// <summary>The epoch of a database's records when they were last read; empty: none yet.</summary>
    internal string Epoch(string database) => states.TryGetValue(database, out var state) ? state.Epoch : "";

    /// <summary>Where a database's records were when they were last located; null: they never were.</summary>
    internal string? Address(string database) => states.TryGetValue(database, out var state) ? state.At : null;

    /// <inheritdoc cref="TakeMarkedAsync"/>
    internal async ValueTask<TAnswer> TakeAsync<TAsked, TAnswer>(Decision<TAsked, TAnswer> decision, string database, TAsked asked, CancellationToken cancellation) =>
        (await TakeMarkedAsync(decision, database, asked, cancellation)).Answer;

    /// <summary>Takes a decision; also answers the mark of what it changed (0: nothing), and the epoch in which it was taken.</summary>
    /// <exception cref="LedgerException">The store did not answer, or answered something unexpected. The decision may have been taken.</exception>
    internal async ValueTask<(TAnswer Answer, long Mark, string Epoch)> TakeMarkedAsync<TAsked, TAnswer>(
        Decision<TAsked, TAnswer> decision, string database, TAsked asked, CancellationToken cancellation)
    {
        var at = address is null ? database : await address(database, cancellation);
        var state = StateOf(database, at);
        var words = new List<string> { voice, state.Heard.ToString(CultureInfo.InvariantCulture), state.Seen.ToString(CultureInfo.InvariantCulture) };
        decision.Write(asked, words);
        var reply = await store.DecideAsync(decision, at, words, cancellation);
        if (reply.Length < 2) throw new LedgerException($"The ledger gave no answer to '{decision}'.");
        state.Epoch = reply[0];
        // Not the highest that was heard: another decision's answer may have overtaken this one's.
        var mark = reply[1].Length > 0 ? WireText.Int64(reply[1]) : 0;
        state.Hear(mark);
        return (decision.ReadAnswer(reply), mark, reply[0]);
    }

    /// <summary>The ledger said that a database's records have reached this mark.</summary>
    internal void Saw(string database, long mark)
    {
        if (states.TryGetValue(database, out var state)) state.See(mark);
    }

    // On another server a database begins anew: the records on the former one are no loss.
    private State StateOf(string database, string at) =>
        states.TryGetValue(database, out var state) && state.At == at ? state : states.AddOrUpdate(database, _ => new(at), (_, known) => known.At == at ? known : new(at));

    private sealed class State(string at)
    {
        private long heard;
        private long seen;

        public string At => at;

        public long Heard => Volatile.Read(ref heard);

        public long Seen => Volatile.Read(ref seen);

        public volatile string Epoch = "";

        public void Hear(long mark)
        {
            Raise(ref heard, mark);
            See(mark);
        }

        public void See(long mark) => Raise(ref seen, mark);

        private static void Raise(ref long highest, long mark)
        {
            for (var known = Volatile.Read(ref highest); mark > known; known = Volatile.Read(ref highest)) Interlocked.CompareExchange(ref highest, mark, known);
        }
    }
}
