using Broker.Core;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Duties;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Holders;
using Broker.Core.Leases.Issues;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace LoadTests.FromInside.Simulation;

/// <summary>One replica: the core as it is put together in production, on this world's servers.</summary>
internal sealed class Replica : IDisposable
{
    private readonly World world;
    private readonly ServiceProvider services;
    private readonly Dictionary<Type, object> parts = []; // each asked for once: what is asked for twice is compiled, which takes longer than a replica lives
    private readonly CancellationTokenSource stopping = new();
    private readonly List<TaskCompletionSource<Outcome>> answering = [];
    private readonly List<Watching> watched = [];

    public Replica(World world, int number, TimeSpan clockOff)
    {
        this.world = world;
        var random = PlanMaker.Stream(world.Plan.Seed, 100 + number);
        Actor = new(world.Timeline, $"replica{number}");
        Clock = new(world.Timeline, Actor) { Off = clockOff };
        Silent = new(world.Timeline);
        Link = new(world.Ledger, world.Timeline, Actor, random);
        var collection = new ServiceCollection();
        collection.AddBrokerCore(new BrokerSettings { Waiting = world.Plan.Scene.Waiting });
        collection.AddSingleton<TimeProvider>(Clock).AddSingleton<ICatalog>(world.Catalog).AddSingleton(SharedMetrics.Instance);
        collection.AddSingleton<ILoggerFactory>(new TraceLoggers(world.Trace, world.Laws, Actor.Name)).AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        collection.Replace(ServiceDescriptor.Singleton(_ => new SharedLedger(Link)
        {
            NewMark = static () => BrokerMark.Of("simulated"),
            NewLeaseId = () => $"L{number}-{random.Next():x8}",
            Address = (database, cancellation) => Part<Broker.Core.Leases.Locating.Servers>().AddressAsync(database, cancellation),
        }));
        collection.Replace(ServiceDescriptor.Singleton(new HistoryLedger(Link)));
        collection.Replace(ServiceDescriptor.Singleton(new Jitter(random)));
        collection.Replace(ServiceDescriptor.Singleton<IAudit>(Audit));
        collection.Replace(ServiceDescriptor.KeyedSingleton<IDatabaseEngine>(DatabaseEngineKind.PostgreSql, new DatabaseLink(world.Database, world.Catalog, random)));
        var issuer = new IssuerLink(world.Issuer, random);
        collection.Replace(ServiceDescriptor.Singleton(new Issuers(_ => issuer)));
        collection.Replace(ServiceDescriptor.Singleton<IDataProtectionProvider>(world.Seal));
        services = collection.BuildServiceProvider();
    }

    public Actor Actor { get; }

    public ActorClock Clock { get; }

    public LedgerLink Link { get; }

    /// <summary>When it could not tell the ledger of anything: dead, frozen, slow or cut off.</summary>
    public Spans Silent { get; }

    public RecordedAudit Audit { get; } = new();

    /// <summary>When it last was frozen or slow; null: never.</summary>
    public TimeSpan? LastLame { get; set; }

    public bool IsStopping { get; private set; }

    public void Start() => Actor.Post(() => _ = GoOnAsync());

    /// <summary>It is gone at once, with all it was doing.</summary>
    public void Crash()
    {
        if (!Actor.IsDead) Silent.Begin();
        Actor.Die();
        foreach (var answer in answering) answer.TrySetException(new ReplicaGoneException());
        answering.Clear();
        foreach (var watching in watched) watching.End();
        watched.Clear();
    }

    /// <summary>It takes no more requests, and stops gracefully.</summary>
    public void Stop()
    {
        IsStopping = true;
        Actor.Post(() =>
        {
            Part<ShutdownSignal>().Begin();
            stopping.Cancel();
        });
    }

    public Task<Outcome> ClaimAsync(Ask ask, CancellationToken cancellation) =>
        AnswerAsync(ask.Origin.TraceId, () => Part<CredentialDesk>().ClaimAsync(ask, cancellation));

    public Task<Outcome> RenewAsync(Caller caller, string holder, string? lease, long? allotment, string trace, CancellationToken cancellation) =>
        AnswerAsync(trace, () => Part<HolderDesk>().RenewAsync(caller, holder, new(trace, null), cancellation, lease, allotment));

    /// <summary>Watches over a holder until either end closes the line.</summary>
    public Watching Watch(Caller caller, string holder, string lease, long allotment, string trace, Random random)
    {
        var watching = new Watching(world, random);
        if (Actor.IsDead || IsStopping)
        {
            watching.End();
            return watching;
        }

        var hung = new CancellationTokenSource();
        // The replica's end may be closed by the time that the pod's end arrives.
        watching.Hang = () => Actor.Post(() =>
        {
            if (watched.Contains(watching)) hung.Cancel();
        });
        watched.Add(watching);
        Actor.Post(() => _ = WatchAsync());
        return watching;

        async Task WatchAsync()
        {
            try
            {
                var asked = world.Now;
                await foreach (var told in Part<HolderWatch>().WatchAsync(caller, holder, lease, new(trace, null), hung.Token, allotment))
                {
                    var grant = (told as HolderEvent.Renewed)?.Grant ?? (told as HolderEvent.Resized)?.Grant;
                    if (grant is not null)
                    {
                        world.Laws.Answered(this, trace, grant);
                        watching.Say(grant, asked, this);
                    }

                    asked = world.Now;
                }
            }
            catch (Exception e)
            {
                world.Laws.Break("fault", $"{Actor.Name} threw at who watches: {e}");
            }

            watched.Remove(watching);
            watching.End();
            hung.Dispose();
        }
    }

    public Task<Outcome> ReleaseAsync(Caller caller, string holder, string trace, CancellationToken cancellation) =>
        AnswerAsync(trace, async () => new(null, await Part<HolderDesk>().ReleaseAsync(caller, holder, new(trace, null), cancellation)));

    public Task<Outcome> RotateAsync(Caller caller, string role, string trace) =>
        AnswerAsync(trace, async () => new(null, await Part<LeaseDesk>().RotateAsync(caller, role, "simulated", new(trace, null), CancellationToken.None)));

    public Task<Outcome> RevokeAsync(Caller caller, string lease, string trace) =>
        AnswerAsync(trace, async () => new(null, await Part<LeaseDesk>().RevokeAsync(caller, lease, "simulated", new(trace, null), CancellationToken.None)));

    public Task<Outcome> SetCeilingAsync(Caller caller, string database, int? ceiling, string trace) =>
        AnswerAsync(trace, async () => new(null, await Part<CeilingDesk>().SetAsync(caller, database, ceiling, "simulated", new(trace, null), CancellationToken.None)));

    public void Dispose() => stopping.Dispose();

    private T Part<T>() where T : notnull
    {
        if (!parts.TryGetValue(typeof(T), out var part)) parts[typeof(T)] = part = services.GetRequiredService<T>();
        return (T)part;
    }

    private async Task GoOnAsync()
    {
        try
        {
            await ActivatorUtilities.CreateInstance<DutyRounds>(services).GoOnAsync(stopping.Token);
            await Part<Issuance>().DrainAsync();
        }
        catch (Exception e)
        {
            world.Laws.Break("fault", $"{Actor.Name}'s duties ended: {e}");
        }

        Crash();
    }

    private Task<Outcome> AnswerAsync(string trace, Func<ValueTask<Outcome>> desk)
    {
        if (Actor.IsDead || IsStopping) return Task.FromException<Outcome>(new ReplicaGoneException());
        var answer = new TaskCompletionSource<Outcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        answering.Add(answer);
        Actor.Post(() => _ = ServeAsync());
        return answer.Task;

        async Task ServeAsync()
        {
            try
            {
                var outcome = await desk();
                world.Laws.Answered(this, trace, outcome);
                answer.TrySetResult(outcome);
            }
            catch (OperationCanceledException)
            {
                answer.TrySetCanceled();
            }
            catch (Exception e)
            {
                world.Laws.Break("fault", $"{Actor.Name} threw at a caller: {e}");
                answer.TrySetException(e);
            }

            answering.Remove(answer);
        }
    }

}

/// <summary>The replica that was asked has gone away.</summary>
internal sealed class ReplicaGoneException() : Exception("The replica went away.");
