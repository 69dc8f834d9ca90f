using Broker.Core.Audit.Chain;
using Broker.Core.Audit.Reading;

namespace LoadTests.FromInside.Tampering;

/// <summary>What a run of manipulations came to.</summary>
/// <param name="Found">Manipulations that were found.</param>
/// <param name="Unknowable">The manipulations that cannot be found, by the reason.</param>
/// <param name="Missed">The manipulations that should have been found but were not, in words; empty: none.</param>
internal sealed record TamperResult(long Found, IReadOnlyDictionary<string, long> Unknowable, IReadOnlyList<string> Missed);

/// <summary>Manipulates signed audits at random and lets them be verified.</summary>
internal static class TamperRun
{
    // Long after what was written: whatever waits for its checkpoint has waited too long.
    private static readonly TimeProvider Later = TimeProvider.System;

    public static async Task<TamperResult> RunAsync(int manipulations, int seed, int fromEachAudit, string scratch, CancellationToken cancellation)
    {
        var found = 0L;
        var unknowable = new SortedDictionary<string, long>(StringComparer.Ordinal);
        List<string> missed = [];
        string key = GenuineAudit.NewKey(), foreignKey = GenuineAudit.NewKey();
        for (var round = 0; round * fromEachAudit < manipulations; round++)
        {
            var random = new Random(HashCode(seed, round));
            var own = await GenuineAudit.WriteAsync(key, random, random.Next(20, 60), withOtherChain: random.Next(4) == 0);
            var other = await GenuineAudit.WriteAsync(key, random, random.Next(20, 60));
            var foreign = await GenuineAudit.WriteAsync(foreignKey, random, 20);
            var log = Path.Combine(scratch, "log");
            Directory.CreateDirectory(log);
            await File.WriteAllTextAsync(Path.Combine(log, "broker.log"), own.Log, cancellation);
            var printed = own.Log.Split('\n').SelectMany(ChainAnchor.Read).ToList();
            var files = Directory.CreateDirectory(Path.Combine(scratch, "files")).FullName;
            var untouched = Verify(own.State.Write(files), key, []);
            if (untouched.Problems.Count > 0) missed.Add($"seed {seed}, round {round}: nothing was touched, and yet: {string.Join(' ', untouched.Problems)}");

            var tampering = new Tampering(own.State, other.State, foreign.State, random);
            for (var turn = 0; turn < fromEachAudit && round * fromEachAudit + turn < manipulations; turn++)
            {
                cancellation.ThrowIfCancellationRequested();
                var anchored = random.Next(2) == 0;
                var state = tampering.Make();
                var verified = Verify(state.Write(files), key, anchored ? [Path.Combine(log, "broker.log")] : []);
                if (verified.Problems.Count > 0) found++;
                else if (Unknowable.Why(state, own.State, other.State, anchored ? printed : []) is { } why) unknowable[why] = unknowable.GetValueOrDefault(why) + 1;
                else missed.Add($"seed {seed}, round {round}, turn {turn}: {tampering.Told}{(anchored ? " (with anchors)" : "")}");
            }
        }

        return new(found, unknowable, missed);
    }

    private static AuditVerification Verify(IReadOnlyCollection<string> files, string key, IReadOnlyCollection<string> anchors) =>
        ChainVerifier.Against(files, new VerifyOptions { KeysPem = [key], Anchors = anchors, Time = Later });

    // The same on every machine and in every process, unlike System.HashCode.
    private static int HashCode(int seed, int round) => unchecked(seed * 1_000_003 + round);
}
