using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using Broker.Core.Model;
using Broker.Core.Operators;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>Our side of a conversation with a Vault: client, token source and issuer on one definition, and what they logged.</summary>
internal sealed class VaultFixture : IDisposable
{
    public const string GivenToken = "hvs.a-token-given-by-a-test";

    public static readonly VaultAuth AppRole =
        new VaultAppRoleAuth(SimulatedVault.RoleId, new SecretSource(new Secret(SimulatedVault.SecretId), null));

    public VaultFixture(VaultIssuerDefinition definition, TimeProvider? time = null, IVaultTokenStore? store = null)
    {
        time ??= TimeProvider.System;
        Definition = definition;
        Store = store ?? new InMemoryVaultTokenStore(time);
        Client = new VaultClient(definition, new VaultChannels(definition, time, Logger), time, Logger);
        Tokens = new VaultTokenSource(Client, definition, Store, time, Logger);
        Issuer = new VaultIssuer(definition, Client, Tokens, Logger);
    }

    public VaultIssuerDefinition Definition { get; }

    public IVaultTokenStore Store { get; }

    public VaultClient Client { get; }

    public VaultTokenSource Tokens { get; }

    public VaultIssuer Issuer { get; }

    public CapturingLogger Logger { get; } = new();

    public static Secret Token { get; } = new(GivenToken);

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static VaultIssuerDefinition DefinitionOf(Uri address, VaultAuth? auth = null) => new("vault")
    {
        Address = address,
        Auth = auth ?? AppRole,
        Timeout = TimeSpan.FromSeconds(30),
    };

    /// <summary>The same for a clock that runs faster than the real one: its deadline is still half a minute away for a busy machine.</summary>
    public static VaultIssuerDefinition PatientDefinitionOf(Uri address, VaultAuth? auth = null) => DefinitionOf(address, auth) with { Timeout = TimeSpan.FromMinutes(5) };

    public static VaultAuth TokenAuth(string token) => new VaultTokenAuth(new SecretSource(new Secret(token), null));

    public static Role Role(string path = "database/creds/app") => new()
    {
        Name = "app",
        Database = "orders",
        Issuer = "vault",
        VaultPath = path,
    };

    public static Database Database { get; } = new()
    {
        Name = "orders",
        Engine = DatabaseEngineKind.PostgreSql,
        Host = "orders-db",
        Port = 5432,
        DatabaseName = "app",
        AdminConnectionString = new Secret("unused"),
        Budget = new BudgetSettings(),
        Issuing = new PaceSettings(),
    };

    /// <summary>Keeps the token alive, as the duty does that goes on when it failed; answers when to come back.</summary>
    public async Task<TimeSpan?> KeepAliveAsync()
    {
        try
        {
            return await Issuer.KeepAliveAsync(Cancellation);
        }
        catch (IssuerException failure) when (failure.RetryAfter is not null)
        {
            return failure.RetryAfter;
        }
    }

    public Task<IssuedLease> IssueAsync(string path = "database/creds/app") =>
        Issuer.IssueAsync(new IssueOrder(Role(path), Database, null, default), Cancellation);

    public static IssuerLease LeaseOf(string id) => new(Role(), Database, id);

    /// <summary>
    /// Lets a fake clock run, ten times as fast as the real one, until the task ends: waits between attempts pass in a moment
    /// (see <see cref="PatientDefinitionOf"/>).
    /// </summary>
    public static async Task<T> RunAsync<T>(FakeTimeProvider time, Task<T> task)
    {
        while (!task.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.WhenAny(task, Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Cancellation));
            Cancellation.ThrowIfCancellationRequested();
        }

        return await task;
    }

    public void Dispose() => Issuer.Dispose();
}

/// <summary>Keeps all that was logged, at every level.</summary>
internal sealed class CapturingLogger : ILogger<VaultIssuer>
{
    private readonly ConcurrentQueue<(EventId Id, string Text)> entries = new();

    public IEnumerable<int> Events => entries.Select(entry => entry.Id.Id);

    public string Text => string.Join('\n', entries.Select(entry => entry.Text));

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        entries.Enqueue((eventId, $"{formatter(state, exception)} {exception}"));
}
