using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Broker.Api.Authentication;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Tests.Ledger;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>
/// Nothing that a broker remembers grows by asking: what is bounded stays bounded, and forgets who came least recently. The same with a
/// million requests and a process's memory: <c>loadtests fuzz</c>.
/// </summary>
public sealed partial class FlatMemoryTests
{
    private readonly FakeTimeProvider time = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Remembered_grants_are_bounded_and_of_too_many_the_least_recent_goes_first()
    {
        var grants = new RememberedGrants(time, most: 1000);
        grants.Remember("orders", Claim("busy"), Granted(TimeSpan.FromHours(1)));
        for (var i = 0; i < 10_000; i++)
        {
            grants.Remember("orders", Claim($"pod-{i}"), Granted(TimeSpan.FromHours(1)));
            grants.Find("orders", $"pod-{i}").ShouldNotBeNull("the newest always is");
            grants.Find("orders", "busy").ShouldNotBeNull("who asks all the time is not forgotten for those who ask once");
        }

        grants.Count.ShouldBeInRange(500, 1000 + 16);
        grants.HoldersOf("orders").Count.ShouldBe(grants.Count);
    }

    [Fact]
    public void Remembered_grants_that_are_over_are_forgotten_long_before_there_are_too_many()
    {
        var grants = new RememberedGrants(time);
        for (var i = 0; i < 5_000; i++)
        {
            grants.Remember("orders", Claim($"pod-{i}"), Granted(TimeSpan.FromSeconds(30)));
            time.Advance(TimeSpan.FromSeconds(1));
        }

        grants.Count.ShouldBeLessThan(100);
        grants.Find("orders", "pod-4999").ShouldNotBeNull();
    }

    [Fact]
    public async Task What_is_waited_for_is_bounded_and_who_waits_for_what_is_forgotten_is_woken()
    {
        await using var store = TestedScripts.Open(time);
        using var signals = new LedgerSignals(new SharedLedger(store), "orders", time);
        var first = signals.Next("pool:made-up");
        for (var i = 0; i < 60_000; i++)
        {
            _ = signals.Next($"pool:orders-api|{i}");
            _ = signals.Next("line");
        }

        signals.Count.ShouldBeLessThanOrEqualTo(20_000 + 16);
        first.IsCompleted.ShouldBeTrue("nobody sleeps for something that nobody remembers");
        var line = signals.Next("line");
        line.IsCompleted.ShouldBeFalse("what is waited for all the time is not forgotten");
    }

    [Fact]
    public async Task A_caller_that_chooses_the_status_of_an_answer_makes_no_series_of_it()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        for (var code = 400; code < 500; code++)
        {
            using var health = await replica.GetAsync(new Uri($"/v1/sys/health?activecode={code}", UriKind.Relative), Cancel);
            ((int)health.StatusCode).ShouldBe(code);
        }

        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", world.Person("viewers"));
        using var answer = await replica.SendAsync(request, Cancel);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldNotContain("http_response_status_code=\"477\"");
    }

    [Fact]
    public async Task Hostile_requests_of_each_address_leave_nothing_behind()
    {
        const int Kinds = 18;
        await using var world = new BrokerWorld(("Admission:Mode", "Warn"));
        var replica = await world.ReplicaAsync();
        var pod = world.Pod("pod");
        var own = (string)(await world.ClaimAsync(replica, pod)).Body["holder"]!["id"]!;
        var owner = own[..(own.IndexOf('.', StringComparison.Ordinal) + 17)];
        using var series = new SeriesCount(world.Service<IMeterFactory>());
        await HostileAsync(0, 200);
        var before = series.Count;
        var (logins, grants) = (world.Service<LeaseLogins>().Count, world.Service<RememberedGrants>().Count);

        await HostileAsync(200, 2_200);
        var metrics = await MetricsAsync();
        metrics.ShouldContain(line => line.StartsWith("broker_claims", StringComparison.Ordinal));
        metrics.Where(line => MadeUp().IsMatch(line)).ShouldBeEmpty("no tag holds what a caller wrote");
        before.ShouldBeGreaterThan(0);
        // One more of each kind of request at most: a kind whose answer the first 200 did not happen to get.
        series.Count.ShouldBeLessThanOrEqualTo(before + Kinds);
        (world.Service<LeaseLogins>().Count, world.Service<RememberedGrants>().Count).ShouldBe((logins, grants));
        world.Service<ProofGate>().Addresses.ShouldBeLessThanOrEqualTo(1);

        async Task HostileAsync(int from, int to) => await Parallel.ForAsync(from, to, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Cancel }, async (i, cancel) =>
        {
            var madeUp = $"{owner}{i:D12}";
            var (method, path, token) = (i % Kinds) switch
            {
                0 => ("POST", $"/api/v1/roles/role-{i}/credentials", pod),
                1 => ("POST", $"/api/v1/roles/orders-api/credentials", $"guess-{i}"),
                2 => ("GET", $"/api/v1/holders/{madeUp}/watch", pod),
                3 => ("POST", $"/api/v1/holders/{madeUp}/renew", pod),
                4 => ("DELETE", $"/api/v1/holders/{madeUp}", pod),
                5 => ("GET", $"/api/v1/sessions/session-{i}", pod),
                6 => ("POST", "/api/v1/sessions", pod),
                7 => ("DELETE", $"/api/v1/sessions/{i:D16}", pod),
                8 => ("GET", $"/api/v1/budgets/database-{i}", world.Person("viewers")),
                9 => ("GET", $"/api/v1/leases/lease-{i}", world.Person("viewers")),
                10 => ("POST", $"/api/v1/leases/lease-{i}/revoke", world.Person("operators")),
                11 => ("POST", $"/api/v1/roles/role-{i}/rotate", world.Person("operators")),
                12 => ("GET", $"/nothing/{i}", pod),
                13 => ("POST", "/kubernetes/admission", pod),
                14 => ("PUT", "/v1/sys/wrapping/unwrap", $"hvs.{i:D43}"),
                15 => ("GET", "/v1/auth/token/lookup-self", $"hvs.{i:D43}"),
                16 => ("GET", $"/v1/database/creds/role-{i}", pod),
                _ => ("GET", "/api/v1/budgets", $"brs_{i:D16}_{new string('x', 43)}"),
            };
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            // A claim with a word too many would be refused before its role is looked at.
            if (method == "POST") request.Content = new StringContent(i % Kinds == 0 ? $$"""{"holder":"text-{{i}}"}""" : $$"""{"reason":"text-{{i}}"}""", Encoding.UTF8, "application/json");
            using var answer = await replica.SendAsync(request, cancel);
            ((int)answer.StatusCode).ShouldBeInRange(400, 499, path);
        });

        async Task<IReadOnlyList<string>> MetricsAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", world.Person("viewers"));
            using var answer = await replica.SendAsync(request, Cancel);
            return (await answer.Content.ReadAsStringAsync(Cancel)).Split('\n');
        }
    }

    [Fact]
    public async Task A_broker_that_has_ended_is_forgotten()
    {
        // The first broker of a process stays: a library keeps what it starts once.
        await EndedAsync();
        var ended = new List<WeakReference>();
        for (var i = 0; i < 3; i++) ended.Add(await EndedAsync());

        await Eventually.HoldsAsync(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return Task.FromResult(!ended.Any(static broker => broker.IsAlive));
            },
            "nothing keeps a broker that has ended", Cancel);

        static async Task<WeakReference> EndedAsync()
        {
            await using var world = new BrokerWorld();
            await world.ReplicaAsync();
            return new(world.Service<BrokerMetrics>());
        }
    }

    /// <summary>The series that one broker has recorded, whatever other brokers in this process record.</summary>
    private sealed class SeriesCount : IDisposable
    {
        private readonly ConcurrentDictionary<string, bool> seen = new(StringComparer.Ordinal);
        private readonly MeterListener listener = new();

        public SeriesCount(IMeterFactory own)
        {
            listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == own && !instrument.IsObservable) listener.EnableMeasurementEvents(instrument);
            };
            listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => See(instrument, tags));
            listener.SetMeasurementEventCallback<int>((instrument, _, tags, _) => See(instrument, tags));
            listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => See(instrument, tags));
            listener.Start();
        }

        public int Count => seen.Count;

        public void Dispose() => listener.Dispose();

        private void See(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var name = new StringBuilder(instrument.Name);
            foreach (var (key, value) in tags) name.Append(CultureInfo.InvariantCulture, $"|{key}={value}");
            seen[name.ToString()] = true;
        }
    }

    [GeneratedRegex("(role|guess|session|lease|database|nothing|text)[-/][0-9]|[0-9]{12}x|brs_")]
    private static partial Regex MadeUp();

    private static Claim Claim(string holder) =>
        new(holder, new("r", 0, TimeSpan.FromMinutes(30), 500, TimeSpan.Zero), "r", 1, 1, TimeSpan.Zero, TimeSpan.Zero, ClaimKind.Claim, "caller");

    private ClaimAnswer.Granted Granted(TimeSpan endsIn) =>
        new("lease", 1, time.GetUtcNow() + endsIn, time.GetUtcNow() + endsIn, time.GetUtcNow(), null, false, null, null, null) { Now = time.GetUtcNow() };
}
