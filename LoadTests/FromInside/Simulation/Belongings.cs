using System.Globalization;
using Broker.Core.Identity;
using Broker.Core.Issuing.Vault;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Sessions;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// What a hostile writer must not get by writing into Redis (law L14): a login that was not made for its holder, a session that nobody opened, a
/// Vault token of another issuer. Sessions and tokens are kept by a process of their own, which reads back what it wrote.
/// </summary>
internal sealed class Belongings
{
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(1);
    private static readonly string[] TokenKeys = ["vault-a", "vault-b"];

    private readonly World world;
    private readonly Random random;
    private readonly Random tokenBytes;
    private readonly Actor keeper;
    private readonly SessionLedger sessions;
    private readonly SessionSealer sealer;
    private readonly LedgerVaultTokens tokens;
    private readonly Lazy<Rights> rights;
    private readonly Dictionary<string, Session> opened = new(StringComparer.Ordinal);
    private readonly HashSet<(string Key, string Token)> given = [];
    private readonly Dictionary<string, string> owners = new(StringComparer.Ordinal);

    public Belongings(World world)
    {
        this.world = world;
        random = PlanMaker.Stream(world.Plan.Seed, 8);
        tokenBytes = PlanMaker.Stream(world.Plan.Seed, 13);
        keeper = new(world.Timeline, "keeper");
        var clock = new ActorClock(world.Timeline, keeper);
        var link = new LedgerLink(world.Ledger, world.Timeline, keeper, random);
        var seal = new LedgerSeal(world.Seal);
        (sessions, sealer) = (new(link, clock), new(seal, clock));
        tokens = new(new(link) { NewLeaseId = static () => "keeper" }, seal, clock);
        rights = new(() => new(world, PlanMaker.Stream(world.Plan.Seed, 10), link, seal)); // when the world has been sabotaged, if it is to be
    }

    /// <summary>Begins to keep sessions and tokens.</summary>
    public void Begin() => world.At(world.Now + Round, () =>
    {
        keeper.Post(() => _ = KeepAsync());
        Begin();
    });

    /// <summary>A pod was given a login.</summary>
    public void Given(Pod pod)
    {
        var login = pod.Held!.Credentials.Login;
        if (!world.Issuer.Logins.TryGetValue(login.Username, out var made) || made.Password != login.Password.Reveal())
        {
            Break($"{pod.Name} was given login {login.Username}, which nobody made");
            return;
        }

        if (made.Role != pod.Plan.Role) Break($"{pod.Name} asked for {pod.Plan.Role}, and was given login {login.Username} of {made.Role}");
        var sharing = world.Plan.Scene.Roles.Single(role => role.Name == pod.Plan.Role).Sharing;
        var owner = sharing switch { SharingScope.Holder => pod.HolderId, SharingScope.Workload => pod.Plan.Account, _ => "" };
        if (!owners.TryAdd(login.Username, owner) && owners[login.Username] != owner) Break($"{pod.Name} was given login {login.Username} of {owners[login.Username]}");
    }

    private async Task KeepAsync()
    {
        try
        {
            await OpenAsync();
            foreach (var id in opened.Keys.ToArray()) await ReadAsync(id);
            await TokenAsync(TokenKeys[random.Next(TokenKeys.Length)]);
            await rights.Value.KeepAsync();
        }
        catch (Exception e) when (e is LedgerException or Broker.Core.Issuing.IssuerException or FormatException or OverflowException)
        {
            // A hostile writer may stop the broker.
        }
        catch (Exception e)
        {
            Break($"the keeper threw: {e}");
        }
    }

    private async Task OpenAsync()
    {
        if (opened.Count >= 4) return;
        var (name, secret) = (new byte[12], new byte[32]);
        tokenBytes.NextBytes(name);
        tokenBytes.NextBytes(secret);
        var token = SessionToken.Of(name, secret);
        var subject = $"pipeline{opened.Count}";
        var session = new Session("gitlab", subject, [KeyValuePair.Create("sub", subject)], [$"role{opened.Count}"], DateTimeOffset.UnixEpoch, token.Hash, $"signed{opened.Count}");
        opened[token.Id] = session;
        await sessions.OpenAsync(token.Id, sealer.Write(token.Id, session, TimeSpan.FromHours(1)), TimeSpan.FromMinutes(10), TimeSpan.FromHours(1), 100, $"hash{opened.Count}", TimeSpan.FromMinutes(5), CancellationToken.None);
    }

    private async Task ReadAsync(string id)
    {
        if (await sessions.ReadAsync(id, CancellationToken.None) is not var (text, _) || sealer.Read(id, text) is not { } found) return;
        var own = opened[id];
        if (found with { Claims = own.Claims, Roles = own.Roles } != own || !found.Roles.SequenceEqual(own.Roles) || !found.Claims.SequenceEqual(own.Claims))
            Break($"the session of {own.Subject} is one of {found.Subject}, with other claims, roles or bindings");
    }

    private async Task TokenAsync(string key)
    {
        var there = await tokens.ReadAsync(key, CancellationToken.None);
        if (there is null || random.Next(5) == 0)
        {
            var text = $"token-{key}-{random.Next().ToString(CultureInfo.InvariantCulture)}";
            given.Add((key, text));
            there = await tokens.ReplaceAsync(key, there, new() { Value = new(text), IssuedAt = ActorClock.Start, TimeLeft = TimeSpan.FromHours(1), FullTtl = TimeSpan.FromHours(1), Renewable = true, Horizon = null }, CancellationToken.None);
        }

        if (!given.Contains((key, there.Value.Reveal()))) Break($"the token of {key} is {there.Value.Reveal()}");
    }

    private void Break(string what) => world.Laws.Break("L14", what);
}
