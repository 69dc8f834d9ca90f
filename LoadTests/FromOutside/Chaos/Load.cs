using System.Collections.Concurrent;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.LocalServers;

namespace LoadTests.FromOutside.Chaos;

/// <summary>Pods that come, work and go, as many as wanted at any time; and what happened to them.</summary>
internal sealed class Load : IAsyncDisposable
{
    private static readonly TimeSpan ShortestLife = TimeSpan.FromSeconds(4), LongestLife = TimeSpan.FromSeconds(12);

    private readonly ConcurrentQueue<Incident> incidents = new();
    private readonly ConcurrentDictionary<string, int> faults = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource end = new();
    private readonly Witness witness;
    private Task[] places = [];
    private int pods, opened, queries, served;

    public Load(ChaosSettings settings, Service service, LocalIdentity identity, TimeProvider time)
    {
        (Settings, Time) = (settings, time);
        witness = new Witness(settings.StandardWait, time);
        Door = new BrokerDoor(() => service.Serving, identity, settings.Asks, witness);
    }

    public ChaosSettings Settings { get; }

    public TimeProvider Time { get; }

    public BrokerDoor Door { get; }

    /// <summary>All calls that are over.</summary>
    public IReadOnlyCollection<Call> Calls => witness.Calls;

    public IReadOnlyCollection<Incident> Incidents => incidents;

    /// <summary>What must not happen, whatever the misfortune, and did.</summary>
    public IReadOnlyCollection<string> Faults => [.. faults.Select(fault => $"{fault.Key} ({fault.Value} times)")];

    public int Connections => Volatile.Read(ref opened);

    public int Queries => Volatile.Read(ref queries);

    /// <summary>Grants and renewals.</summary>
    public int Grants => Volatile.Read(ref served);

    public void Start() => places = [.. Enumerable.Range(0, Settings.Pods).Select(_ => Task.Run(FillPlaceAsync))];

    /// <summary>No more pods come, and the present ones leave.</summary>
    public async Task StopAsync()
    {
        await end.CancelAsync();
        await Task.WhenAll(places);
    }

    public void Opened() => Interlocked.Increment(ref opened);

    public void Queried() => Interlocked.Increment(ref queries);

    public void Served() => Interlocked.Increment(ref served);

    public void Note(Incident incident) => incidents.Enqueue(incident);

    public void Fault(string what) => faults.AddOrUpdate(what, 1, (_, times) => times + 1);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Door.Dispose();
        end.Dispose();
    }

    private async Task FillPlaceAsync()
    {
        while (!end.IsCancellationRequested)
        {
            var stays = ShortestLife + (LongestLife - ShortestLife) * Random.Shared.NextDouble();
            try
            {
                await new Pod(Interlocked.Increment(ref pods), this).LiveAsync(stays, end.Token);
            }
            catch (Exception broke)
            {
                Fault($"A pod broke: {broke.GetType().Name}: {broke.Message}");
            }
        }
    }
}
