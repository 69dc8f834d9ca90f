using KeraLua;

namespace Broker.Core.Ledger.InProcess;

/// <summary>
/// The ledger of a single replica: the same scripts as in Redis, run by an embedded Lua 5.4 on an in-memory keyspace. Nothing
/// survives the process: after a restart the database's own connections count as foreign until their holders return (law L8).
/// </summary>
public sealed class InProcessLedgerStore : ILedgerStore
{
    // error() is raised on the Lua side: a Lua error must not unwind through managed frames.
    private const string Prelude =
        """
        local host = host_call
        redis = { call = function(...)
          local ok, answer = host(...)
          if ok then return answer end
          error(answer, 0)
        end }
        """;

    private readonly Lock gate = new();
    private readonly Lua lua = new() { Encoding = System.Text.Encoding.UTF8 };
    private readonly LuaFunction hostCall; // kept: native code holds a pointer to it
    private readonly Keyspace keyspace;
    private readonly Func<Decision, string> scripts;
    private readonly Dictionary<Decision, int> compiled = [];
    private readonly Dictionary<string, (int Keys, string Channel)> names = new(StringComparer.Ordinal); // the keys as a Lua table, made once
    private readonly List<(string Channel, string Subject)> published = [];
    private readonly Dictionary<string, List<Action<string>>> listeners = new(StringComparer.Ordinal);
    private bool disposed;

    /// <param name="time">The ledger's clock.</param>
    public InProcessLedgerStore(TimeProvider time)
        : this(publish => new Keyspace(time, publish))
    {
    }

    /// <param name="keys">Makes the keyspace; everything it publishes goes to the given action.</param>
    /// <param name="scripts">The script to run for a decision; null: its own. Other scripts show whether a wrong rule would be noticed.</param>
    internal InProcessLedgerStore(Func<Action<string, string>, Keyspace> keys, Func<Decision, string>? scripts = null)
    {
        this.scripts = scripts ?? (static decision => decision.Script);
        keyspace = keys((channel, subject) => published.Add((channel, subject)));
        hostCall = HostCall;
        lua.PushCFunction(hostCall);
        lua.SetGlobal("host_call");
        if (lua.DoString(Prelude)) throw new InvalidOperationException($"The ledger's Lua does not start: {lua.ToString(-1)}");
    }

    /// <inheritdoc/>
    public bool IsOfThisProcess { get; init; }

    /// <inheritdoc/>
    public ValueTask<string[]> DecideAsync(
        Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var (answer, calls) = Decide(decision, database, arguments);
        foreach (var (listener, subject) in calls) listener(subject);
        return new(answer);
    }

    /// <summary>Takes a decision; also answers which callbacks to call with which texts once the decision counts.</summary>
    /// <param name="decision">Which.</param>
    /// <param name="database">The database's name.</param>
    /// <param name="arguments">Its question.</param>
    internal (string[] Answer, IReadOnlyList<(Action<string> Listener, string Subject)> Calls) Decide(
        Decision decision, string database, IReadOnlyList<string> arguments)
    {
        List<(Action<string>, string)> calls = [];
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            keyspace.ReadClock();
            published.Clear();
            var answer = Run(decision, database, arguments);
            foreach (var (channel, subject) in published)
                if (listeners.TryGetValue(channel, out var heard))
                    foreach (var listener in heard) calls.Add((listener, subject));
            return (answer, calls);
        }
    }

    /// <inheritdoc/>
    public IDisposable Listen(string database, Action<string> heard)
    {
        var channel = LedgerKeys.Channel(database);
        lock (gate)
        {
            if (!listeners.TryGetValue(channel, out var list)) listeners[channel] = list = [];
            list.Add(heard);
        }

        return new Listening(() =>
        {
            lock (gate) listeners[channel].Remove(heard);
        });
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (gate)
        {
            if (!disposed) lua.Dispose();
            disposed = true;
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>A copy of its present content: for tests of a ledger that loses everything written later.</summary>
    internal Keyspace Copy()
    {
        lock (gate)
        {
            var copy = Empty();
            copy.Become(keyspace);
            return copy;
        }
    }

    /// <summary>Replaces its whole content by a copy; by an empty one, as when Redis is flushed.</summary>
    internal void PutBack(Keyspace copy)
    {
        lock (gate) keyspace.Become(copy);
    }

    /// <summary>An empty copy.</summary>
    internal static Keyspace Empty() => new(TimeProvider.System, static (_, _) => { });

    private string[] Run(Decision decision, string database, IReadOnlyList<string> arguments)
    {
        if (!compiled.TryGetValue(decision, out var function))
        {
            if (lua.LoadString(scripts(decision), decision.Name) != LuaStatus.OK)
                throw new InvalidOperationException($"The ledger's script '{decision}' does not compile: {lua.ToString(-1)}");
            compiled[decision] = function = lua.Ref(LuaRegistry.Index);
        }

        if (!names.TryGetValue(database, out var name))
        {
            PushTable(LedgerKeys.Of(database), first: null);
            names[database] = name = (lua.Ref(LuaRegistry.Index), LedgerKeys.Channel(database));
        }

        lua.RawGetInteger(LuaRegistry.Index, name.Keys);
        lua.SetGlobal("KEYS");
        PushTable(arguments, name.Channel);
        lua.SetGlobal("ARGV");
        lua.RawGetInteger(LuaRegistry.Index, function);
        try
        {
            if (lua.PCall(0, 1, 0) != LuaStatus.OK)
            {
                var why = lua.ToString(-1);
                throw why.Contains(BrokenBooksException.Sign, StringComparison.Ordinal)
                    ? new BrokenBooksException($"The decision '{decision}' was not taken: {why}")
                    : new ScriptFailedException($"The ledger's script '{decision}' failed: {why}");
            }

            return ReadTexts();
        }
        finally
        {
            lua.SetTop(0);
        }
    }

    private void PushTable(IReadOnlyList<string> texts, string? first)
    {
        lua.CreateTable(texts.Count + 1, 0);
        var at = 1;
        if (first is not null)
        {
            lua.PushString(first);
            lua.RawSetInteger(-2, at++);
        }

        for (var i = 0; i < texts.Count; i++)
        {
            lua.PushString(texts[i]);
            lua.RawSetInteger(-2, at++);
        }
    }

    private string[] ReadTexts()
    {
        var count = (int)lua.RawLen(-1);
        var texts = new string[count];
        for (var i = 0; i < count; i++)
        {
            lua.RawGetInteger(-1, i + 1);
            texts[i] = lua.ToString(-1, false);
            lua.Pop(1);
        }

        return texts;
    }

    private int HostCall(IntPtr pointer)
    {
        var state = pointer == lua.Handle ? lua : Lua.FromIntPtr(pointer); // no script has another thread of its own
        var words = new string?[state.GetTop()];
        for (var i = 0; i < words.Length; i++) words[i] = state.ToString(i + 1, false);
        object? answer;
        try
        {
            // As in Redis: a nil or false is a mistake of the script, not an empty text.
            if (Array.IndexOf(words, null) is var at and >= 0) throw new ArgumentException($"word {at + 1} is neither a string nor a number");
            answer = keyspace.Execute(words!);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException or IndexOutOfRangeException)
        {
            state.PushBoolean(false);
            state.PushString($"{words[0]}: {e.Message}");
            return 2;
        }

        state.PushBoolean(true);
        Push(state, answer);
        return 2;
    }

    // As Redis passes values to Lua: no value is false, an integer a number, an array a table.
    private static void Push(Lua state, object? value)
    {
        switch (value)
        {
            case null: state.PushBoolean(false); break;
            case long number: state.PushInteger(number); break;
            case string text: state.PushString(text); break;
            case IReadOnlyList<string?> list:
                state.CreateTable(list.Count, 0);
                for (var i = 0; i < list.Count; i++)
                {
                    if (list[i] is { } text) state.PushString(text);
                    else state.PushBoolean(false);
                    state.RawSetInteger(-2, i + 1);
                }

                break;
            default: throw new ArgumentException($"no Lua value for {value.GetType()}");
        }
    }
}
