using System.Diagnostics.Metrics;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Core.Operators.Indicators;

namespace Broker.Api.Telemetry;

/// <summary>Sums this replica's own measurements by the minute, and keeps an hour of them.</summary>
internal sealed class LastHour : ILastHour, IHostedService, IDisposable
{
    private const int Minutes = 60;

    private static readonly string[] Faults =
        [.. new[] { RefusalCode.IssuerUnavailable, RefusalCode.LedgerUnavailable, RefusalCode.DatabaseUnavailable, RefusalCode.AuditUnavailable, RefusalCode.LoginFailed }.Select(WireName.Of)];

    private static readonly string Unrecorded = WireName.Of(RefusalCode.AuditUnavailable);

    // The beginnings of the routes of the native and of the Vault-compatible API.
    private static readonly string[] Fronts = ["api/", "v1/"];

    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private readonly MeterListener listener = new();
    private readonly Minute[] minutes = [.. Enumerable.Range(0, Minutes).Select(static _ => new Minute())];

    public LastHour(IMeterFactory meters, TimeProvider time)
    {
        this.time = time;
        listener.InstrumentPublished = (instrument, listening) =>
        {
            if (!ReferenceEquals(instrument.Meter.Scope, meters)) return; // belongs to another broker in this process
            if (instrument.Name is "broker.claims" or "broker.claim.duration" or "broker.unproven" or "http.server.request.duration") listening.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            if (value == 0) return;
            var outcome = Tag(tags, "broker.outcome");
            lock (gate)
            {
                var minute = ThisMinute();
                if (instrument.Name == "broker.unproven")
                {
                    minute.Unproven += value;
                    return;
                }

                minute.Claims += value;
                if (Array.IndexOf(Faults, outcome) >= 0) minute.Failed += value;
                if (outcome == Unrecorded) minute.Unrecorded += value;
            }
        });
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            if (instrument.Name == "broker.claim.duration")
            {
                if (Tag(tags, "broker.outcome") != BrokerMetrics.Granted) return;
                lock (gate) ThisMinute().GrantedWithin[ClassOf(value)]++;
            }
            else if (Tag(tags, "http.route")?.TrimStart('/') is { } route && OfAFront(route))
            {
                lock (gate) ThisMinute().Requests++;
            }
        });
    }

    /// <inheritdoc/>
    public LastHourCounts Counts
    {
        get
        {
            var now = Now;
            lock (gate)
            {
                var known = minutes.Where(minute => minute.At > now - Minutes && minute.At <= now).ToArray();
                return new()
                {
                    GrantedWithin = [.. Enumerable.Range(0, LastHourCounts.Seconds.Count).Select(at => known.Sum(minute => minute.GrantedWithin[at]))],
                    Claims = known.Sum(static minute => minute.Claims),
                    Failed = known.Sum(static minute => minute.Failed),
                    Unrecorded = known.Sum(static minute => minute.Unrecorded),
                    // Some requests are refused before it is known what they ask for.
                    Requests = known.Sum(static minute => Math.Max(minute.Requests, minute.Unproven)),
                    Unproven = known.Sum(static minute => minute.Unproven),
                };
            }
        }
    }

    private long Now => time.GetUtcNow().ToUnixTimeSeconds() / 60;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        listener.Start();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose() => listener.Dispose();

    // Called with the gate held, for every claim: must not allocate.
    private Minute ThisMinute()
    {
        var now = Now;
        var minute = minutes[now % Minutes];
        if (minute.At != now) minute.BeginAt(now);
        return minute;
    }

    private static int ClassOf(double seconds)
    {
        var at = 0;
        while (seconds > LastHourCounts.Seconds[at]) at++;
        return at;
    }

    private static bool OfAFront(string route)
    {
        foreach (var front in Fronts)
            if (route.StartsWith(front, StringComparison.Ordinal)) return true;
        return false;
    }

    private static string? Tag(ReadOnlySpan<KeyValuePair<string, object?>> tags, string name)
    {
        foreach (var (key, value) in tags)
            if (key == name) return value as string;
        return null;
    }

    private sealed class Minute
    {
        public long At { get; private set; } = long.MinValue;

        public long[] GrantedWithin { get; } = new long[LastHourCounts.Seconds.Count];

        public long Claims { get; set; }

        public long Failed { get; set; }

        public long Unrecorded { get; set; }

        public long Requests { get; set; }

        public long Unproven { get; set; }

        public void BeginAt(long at)
        {
            At = at;
            Array.Clear(GrantedWithin);
            Claims = Failed = Unrecorded = Requests = Unproven = 0;
        }
    }
}
