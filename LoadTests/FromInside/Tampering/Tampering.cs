using System.Globalization;
using System.Text;

namespace LoadTests.FromInside.Tampering;

/// <summary>Random manipulations of a signed audit by an attacker who can write its files and has everything but the key.</summary>
/// <param name="own">The audit that is manipulated.</param>
/// <param name="other">Another replica's, signed with the same key.</param>
/// <param name="foreign">One that the attacker signed with a key of his own.</param>
/// <param name="random">Decides everything.</param>
internal sealed class Tampering(AuditState own, AuditState other, AuditState foreign, Random random)
{
    // Long ago, behind everything else, still to come, none, and half a letter.
    private static readonly string[] Times = ["2026-03-01T00:00:00.0000000Z", "2026-03-02T12:00:00.0000000Z", "2099-01-01T00:00:00.0000000Z", "some day", HalfALetter];

    // What is JSON, and no text: a reader fails where it reads it.
    private const string HalfALetter = "\\ud800";

    private readonly StringBuilder told = new();

    /// <summary>What was done, in words.</summary>
    public string Told => told.ToString();

    public AuditState Make()
    {
        told.Clear();
        var state = own.Copy();
        for (var steps = random.Next(1, 4); steps > 0; steps--) state = Step(state);
        return state;
    }

    private AuditState Step(AuditState state)
    {
        var count = state.Lines.Count();
        if (count == 0) return state;
        var at = random.Next(count);
        switch (random.Next(18))
        {
            case 0: return Cut(state, random.Next(1, count));
            case 1: return Remove(state, at, random.Next(1, Math.Min(6, count - at + 1)));
            case 2: return Swap(state, at, random.Next(count));
            case 3: return Insert(state, random.Next(count), state.Lines.ElementAt(at), "a line twice");
            case 4: return Change(state, at);
            case 5: return Forge(state, at);
            case 6: return Mix(state, other, "another replica's");
            case 7: return Mix(state, foreign, "a chain signed with another key");
            case 8: return OtherHead(state);
            case 9: return DropFile(state);
            case 10: return ExchangeFiles(state);
            case 11: return Excuse(state, at);
            case 12: return Insert(state, at, Forger.Line(random.Next(2) == 0 ? "" : "{\"time\":\"2026-03-01T"), "a line of no chain");
            case 13: return Edit(state, at, static line => [.. line, (byte)'\r'], "a carriage return");
            case 14: return Append(state);
            case 15: return DropFront(state, random.Next(1, count));
            case 16: return Replace(state);
            default: return ChainBehind(state);
        }
    }

    private AuditState Tell(AuditState state, string what)
    {
        told.Append(told.Length > 0 ? "; " : "").Append(what);
        return state;
    }

    private AuditState Cut(AuditState state, int lines)
    {
        for (var left = lines; left > 0 && state.Files.Count > 0;)
        {
            var last = state.Files[^1].Lines;
            var gone = Math.Min(left, last.Count);
            last.RemoveRange(last.Count - gone, gone);
            left -= gone;
            if (last.Count == 0 && state.Files.Count > 1) state.Files.RemoveAt(state.Files.Count - 1);
            else if (last.Count == 0) break;
        }

        var standing = state.Lines.LastOrDefault(static line => Forger.Is(line, "checkpoint"));
        return random.Next(3) switch
        {
            0 => Tell(state, $"{lines} lines cut off the end"),
            1 => Tell(state with { Head = standing }, $"{lines} lines cut off the end, and the head set to the last checkpoint left"),
            _ => Tell(state with { Head = null }, $"{lines} lines cut off the end, and no head"),
        };
    }

    private AuditState DropFront(AuditState state, int lines)
    {
        for (var left = lines; left > 0; left--)
        {
            if (state.Files[0].Lines.Count == 0 && state.Files.Count > 1) state.Files.RemoveAt(0);
            if (state.Files[0].Lines.Count > 0) state.Files[0].Lines.RemoveAt(0);
        }

        return Tell(state, $"{lines} lines cut off the front");
    }

    private AuditState Remove(AuditState state, int at, int lines)
    {
        for (var gone = 0; gone < lines && at < state.Lines.Count(); gone++)
        {
            var (file, index) = state.Find(at);
            file.RemoveAt(index);
        }

        return Rechained(Tell(state, $"{lines} lines taken out at {at}"), at);
    }

    private AuditState Swap(AuditState state, int one, int two)
    {
        var (first, at) = state.Find(one);
        var (second, with) = state.Find(two);
        (first[at], second[with]) = (second[with], first[at]);
        return Rechained(Tell(state, $"lines {one} and {two} swapped"), Math.Min(one, two));
    }

    private AuditState Insert(AuditState state, int at, byte[] line, string what)
    {
        var (file, index) = state.Find(at);
        file.Insert(index, line);
        return Rechained(Tell(state, $"{what} at {at}"), at);
    }

    private AuditState Edit(AuditState state, int at, Func<byte[], byte[]> edit, string what)
    {
        var (file, index) = state.Find(at);
        file[index] = edit(file[index]);
        return Tell(state, $"{what} at {at}");
    }

    private AuditState Change(AuditState state, int at) => Rechained(
        Edit(state, at, line =>
        {
            if (line.Length == 0) return line;
            var changed = (byte[])line.Clone();
            changed[random.Next(changed.Length)] ^= (byte)(1 << random.Next(7));
            return changed;
        }, "a bit changed"),
        at);

    private AuditState Forge(AuditState state, int at) => Insert(
        state, at, Own(state, at, $$"""{"time":"{{Times[random.Next(Times.Length)]}}",{{(random.Next(3) == 0 ? "\"event\":\"x\"," : "")}}"action":"claim","outcome":"refused"}"""), "a made-up record");

    // Sometimes as it is, sometimes chained as if it had always stood so.
    private AuditState Rechained(AuditState state, int from)
    {
        if (random.Next(2) == 0) return state;
        var renumber = random.Next(2) == 0;
        Forger.Rechain(state, from, renumber);
        if (random.Next(2) == 0) return Tell(state, renumber ? "chained and numbered anew" : "chained anew");
        return Tell(state with { Head = state.Lines.LastOrDefault(static line => Forger.Is(line, "checkpoint")) }, "chained anew with its head");
    }

    private static byte[] Own(AuditState state, int at, string json)
    {
        var (chain, seq, hash) = ("none", 0L, new string('A', 43));
        foreach (var line in state.Lines.Take(at + 1))
        {
            if (Forger.TryRead(line, out var its, out var number, out var stated)) (chain, seq, hash) = (its, number, stated);
        }

        return Forger.Chained(Forger.Line(json), chain, seq + 1, hash);
    }

    private AuditState Mix(AuditState state, AuditState from, string what)
    {
        var lines = from.Lines.ToList();
        var start = random.Next(3) == 0 ? random.Next(lines.Count) : 0;
        var length = random.Next(3) == 0 ? random.Next(1, lines.Count - start + 1) : lines.Count - start;
        if (random.Next(2) == 0 || state.Lines.Any() is false) state.Files[^1].Lines.AddRange(lines.Skip(start).Take(length));
        else
        {
            var (file, index) = state.Find(random.Next(state.Lines.Count()));
            file.InsertRange(index, lines.Skip(start).Take(length));
        }

        return Tell(random.Next(2) == 0 ? state with { Head = from.Head } : state, $"{length} lines of {what} put in");
    }

    private AuditState Replace(AuditState state) => random.Next(2) == 0
        ? Tell(other.Copy(), "another replica's audit put in its place")
        : Tell(other.Copy() with { Head = state.Head }, "another replica's audit put in its place, but for the head");

    private AuditState OtherHead(AuditState state)
    {
        var checkpoints = state.Lines.Where(static line => Forger.Is(line, "checkpoint")).ToList();
        return random.Next(5) switch
        {
            0 when checkpoints.Count > 0 => Tell(state with { Head = checkpoints[random.Next(checkpoints.Count)] }, "an older head"),
            1 => Tell(state with { Head = other.Head }, "another replica's head"),
            2 => Tell(state with { Head = null }, "no head"),
            3 => Tell(state with { Head = foreign.Head }, "a head signed with another key"),
            _ => Tell(state with { Head = state.Lines.LastOrDefault() }, "any line as head"),
        };
    }

    private AuditState DropFile(AuditState state)
    {
        if (state.Files.Count < 2) return state;
        var gone = random.Next(state.Files.Count);
        state.Files.RemoveAt(gone);
        return Tell(state, $"file {gone} taken away");
    }

    private AuditState ExchangeFiles(AuditState state)
    {
        var (one, two) = (random.Next(state.Files.Count), random.Next(state.Files.Count));
        (state.Files[one], state.Files[two]) = ((state.Files[one].Name, state.Files[two].Lines), (state.Files[two].Name, state.Files[one].Lines));
        return Tell(state, $"files {one} and {two} exchanged");
    }

    // A gap, and a line that says the sink lost just that; the record behind it is another one than was written.
    private AuditState Excuse(AuditState state, int at)
    {
        var lines = state.Lines.ToList();
        var to = Math.Min(at + random.Next(1, 5), lines.Count - 1);
        if (!Forger.TryRead(lines[at], out var chain, out var from, out _) || !Forger.TryRead(lines[to], out _, out var end, out var after)) return state;
        var last = at > 0 && Forger.TryRead(lines[at - 1], out _, out _, out var before) ? before : new string('A', 43);
        var excuse = Forger.Chained(
            Forger.Line(string.Create(CultureInfo.InvariantCulture,
                $$"""{"time":"2026-03-01T12:00:00.0000000Z","event":"resumed","sink":"audit.jsonl","lostFrom":{{from}},"lostTo":{{end}},"last":"{{last}}","after":"{{after}}"}""")),
            chain, end + 1, after);
        Remove(state, at, to - at + 1);
        if (at < state.Lines.Count()) Insert(state, at, excuse, "an excuse for a gap");
        else state.Files[^1].Lines.Add(excuse);
        if (random.Next(2) == 0) Forger.Rechain(state, at, renumber: random.Next(2) == 0);
        return Tell(state, $"records {from} to {end} excused");
    }

    private AuditState Append(AuditState state)
    {
        var count = state.Lines.Count();
        var time = Times[random.Next(Times.Length)];
        if (random.Next(2) == 0) state.Files[^1].Lines.Add(Own(state, count, $$"""{"time":"{{time}}","event":"opened","after":"{{(random.Next(2) == 0 ? "x" : HalfALetter)}}","started":true}"""));
        for (var more = random.Next(1, 4); more > 0; more--)
        {
            var text = random.Next(2) == 0 ? "x" : HalfALetter;
            var line = random.Next(4) switch
            {
                0 => $$"""{"time":"{{time}}","event":"checkpoint","why":"closed","head":"{{text}}","key":"{{text}}","signature":"{{text}}"}""",
                1 => $$"""{"time":"{{time}}","event":"{{(random.Next(2) == 0 ? "x" : "resumed")}}","action":"claim","outcome":"granted","holderId":"H999"}""",
                _ => $$"""{"time":"{{time}}","action":"claim","outcome":"granted","holderId":"H999"}""",
            };
            state.Files[^1].Lines.Add(Own(state, state.Lines.Count(), line));
        }

        return Tell(state, $"made-up records of {time} appended");
    }

    // A chain of the attacker's own, that says it follows what is there.
    private AuditState ChainBehind(AuditState state)
    {
        if (!Forger.TryRead(state.Lines.Last(), out var chain, out var seq, out var hash)) return state;
        var opened = Forger.Chained(
            Forger.Line(string.Create(CultureInfo.InvariantCulture,
                $$$"""{"time":"2026-03-01T13:00:00.0000000Z","event":"opened","after":"{{{new string('A', 43)}}}","started":true,"behind":{"chain":"{{{chain}}}","seq":{{{seq}}},"hash":"{{{hash}}}"},"x":1}""")),
            "made-up", 1, new string('A', 43));
        state.Files[^1].Lines.Add(opened);
        state.Files[^1].Lines.Add(Own(state, state.Lines.Count(), """{"time":"2026-03-01T13:00:00.0000000Z","action":"claim","outcome":"granted"}"""));
        return Tell(state, "a made-up chain behind it");
    }
}
