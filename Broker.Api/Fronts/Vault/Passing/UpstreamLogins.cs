using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using BitFaster.Caching.Lru;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Passing;

/// <summary>
/// Logs clients in at the Vault behind, by their own proof, and keeps the token of each beside the one that the broker gave it. A Vault that is
/// away or refuses harms no login at the broker: passing requests are refused then, the next of them tries again while the client's proof is valid, and the next
/// login does. A client that was refused so is not renewed any more, so that it logs in.
/// </summary>
internal sealed class UpstreamLogins(ICatalog catalog, UpstreamTokens tokens, TimeProvider time, ILogger<UpstreamLogins> log) : IAsyncDisposable
{
    /// <summary>How many calls to a slow or absent Vault run at the same time; further ones are dropped.</summary>
    public const int MostUnderWay = 250;

    private const int Tries = 3;
    private const int MostAgain = 10_000;
    private const string NotAnswered = "the Vault behind could not be logged in to: paths that pass to it are refused until it answers to your proof, or you log in again";
    private static readonly Dictionary<string, string> NoFields = [];
    private static readonly string[] Proofs = ["role", "jwt", "role_id", "secret_id"];
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    // A client that starts may give up after ten seconds (bank-vaults/vault-sdk vault/client.go), and one that renews may read again.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan BetweenTries = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestFarewell = TimeSpan.FromSeconds(5);

    // Answers that still stream over it may take this long.
    private static readonly TimeSpan KeptAfterReload = TimeSpan.FromMinutes(5);
    private readonly ConcurrentDictionary<Task, byte> underWay = new();
    private readonly Lock gate = new();
    private readonly List<(UpstreamChannel Channel, ITimer End)> former = [];
    private readonly CancellationTokenSource leaving = new();
    private readonly FastConcurrentLru<string, (Moment At, Task Done)> again = new(Environment.ProcessorCount, MostAgain, StringComparer.Ordinal);
    private volatile Silence? silence;
    private UpstreamChannel? channel;
    private int told;

    /// <summary>The calls to the Vault behind that are under way.</summary>
    public int UnderWay => Volatile.Read(ref told);

    /// <summary>The Vault behind; null: there is none.</summary>
    public UpstreamChannel? Channel
    {
        get
        {
            if (catalog.Current.VaultApi.Upstream is not { } settings) return null;
            // A reload that does not change it reads equal settings, and keeps its connections.
            lock (gate)
            {
                if (channel?.Settings == settings) return channel!;
                if (channel is not null) EndLater(channel);
                return channel = new(settings, time, log);
            }
        }
    }

    /// <summary>
    /// Logs in there too. A Vault that does not answer holds up nobody: it is waited for briefly, and not by each that comes with a proof that is kept and can be tried again.
    /// </summary>
    public async ValueTask<UpstreamLogin> LogInAsync(VaultCall call, AuthMount mount, VaultClient client)
    {
        if (Channel is not { } upstream) return default;
        var fields = Proofs.Select(name => KeyValuePair.Create(name, call.Body.Text(name)!)).Where(field => field.Value is { Length: > 0 }).ToDictionary(StringComparer.Ordinal);
        if (client.Live.Token.Proof is not null && SilentFor is not null) return new(NotAnswered);
        var (within, began) = (WaitFor(upstream), time.GetTimestamp());
        var login = await LogInAsync(upstream, call, call.Path, mount.Name, client, fields, within, call.Cancellation);
        Hear(login.Failure != NotAnswered, began, within);
        return login;
    }

    /// <summary>How long a client's request waits at most for what is done there besides.</summary>
    public static TimeSpan WaitFor(UpstreamChannel upstream) => upstream.Settings.Timeout < LongestWait ? upstream.Settings.Timeout : LongestWait;

    // For how long it is not asked by whoever comes, because it has just let one wait in vain; null: it is asked.
    private TimeSpan? SilentFor => silence is { } since && BetweenTries - since.At.Age(time) is { Ticks: > 0 } left ? left : null;

    private void Hear(bool answered, long began, TimeSpan within) => silence = !answered && time.GetElapsedTime(began) >= within / 2 ? new(Moment.Now(time)) : null;

    private async Task<UpstreamLogin> LogInAsync(UpstreamChannel upstream, VaultCall call, string path, string mount, VaultClient client, Dictionary<string, string> fields, TimeSpan? within, CancellationToken cancellation)
    {
        try
        {
            var (status, body) = await upstream.AskAsync(path, fields, null, call.Namespace, cancellation, within);
            if (status == 200 && AuthIn(body) is var (text, lasts))
            {
                var token = new UpstreamToken(text, call.Namespace);
                if (await tokens.KeepAsync(LoginOf(client), GroupsOf(call, client), token, client.Live.EndsIn, cancellation)) return new(null, lasts);
                await RevokeAsync(upstream, token);
                return new("the ledger keeps no more tokens of the Vault behind");
            }

            log.UpstreamLoginRefused(mount, status);
            return new($"the Vault behind refused this login with status {status}: paths that pass to it are refused too");
        }
        catch (Exception e) when (e is VaultError or LedgerException)
        {
            log.UpstreamLoginFailed(mount, e.Message);
            return new(NotAnswered);
        }
    }

    /// <summary>The token with which a client's requests pass; null: its login has none, and its proof gets it none now.</summary>
    public async ValueTask<Secret?> TokenOfAsync(VaultCall call, VaultClient client)
    {
        if (await FindAsync() is { } token) return token;
        await LogInAgainAsync(call, client);
        if (await FindAsync() is { } late) return late;
        await tokens.MissAsync(LoginOf(client), GroupsOf(call, client), client.Live.EndsIn, call.Cancellation);
        return null;

        async ValueTask<Secret?> FindAsync() => await tokens.FindAsync(LoginOf(client), call.Cancellation) is { IsMissing: false } known ? known.Token : null;
    }

    // By its first login's proof, which requests that come together share. The client was told already how long its token lives: should the one there live less, its next renewal says so.
    private Task LogInAgainAsync(VaultCall call, VaultClient client)
    {
        var token = client.Live.Token;
        if (token.Proof is not { } proof || time.GetUtcNow() >= token.ProofEndsAt || Channel is not { } upstream) return Task.CompletedTask;
        lock (gate)
        {
            if (again.TryGet(LoginOf(client), out var known) && known.At.Age(time) < BetweenTries) return known.Done;
            var task = RunAsync();
            again.AddOrUpdate(LoginOf(client), (Moment.Now(time), task));
            return task;
        }

        async Task RunAsync()
        {
            await Task.Yield();
            var mount = call.Namespace is { } space && token.Mount.StartsWith(space + "/", StringComparison.Ordinal) ? token.Mount[(space.Length + 1)..] : token.Mount;
            var fields = new Dictionary<string, string>(StringComparer.Ordinal) { ["jwt"] = proof };
            if (token.Metadata.GetValueOrDefault("role") is { } role) fields["role"] = role;
            await LogInAsync(upstream, call, $"auth/{mount}/login", token.Mount, client, fields, null, CancellationToken.None);
        }
    }

    // A token that a client made for itself passes by its login's.
    private static string LoginOf(VaultClient client) => client.Live.Token.Parent ?? client.Live.Id;

    private static IReadOnlyList<string> GroupsOf(VaultCall call, VaultClient client) => OwnersGroup.AllOf(client.Caller, client.Live.Token.SecretId, call.Origin);

    /// <summary>
    /// A client token was renewed: so is its token there. One that is over there, or is missing, bounds it to what it had, so that its client logs in again. A Vault
    /// that does not answer holds up nobody: it is waited for briefly, and not by each that comes, whose tokens it is told of when it has had time to recover.
    /// </summary>
    /// <param name="live">The client token, renewed.</param>
    /// <param name="before">How long it had left before.</param>
    /// <returns>How long it may live by its token there; null: nothing there bounds it, or the Vault behind does not answer.</returns>
    public async Task<TimeSpan?> RenewAsync(LiveToken live, TimeSpan before)
    {
        if (Channel is null) return null;
        var had = TimeSpan.FromSeconds(Math.Floor(before.TotalSeconds));
        try
        {
            if (await tokens.RenewAsync(live.Id, live.EndsIn, CancellationToken.None) is not { } kept) return null;
            if (kept.IsMissing) return had;
            var later = SilentFor;
            var told = TellAsync(upstream => RenewThereAsync(upstream, live, kept, had, later));
            return later is null ? await told : null;
        }
        catch (LedgerException e)
        {
            log.UpstreamNotTold(e.Message);
            return null;
        }
    }

    private async Task<TimeSpan?> RenewThereAsync(UpstreamChannel upstream, LiveToken live, UpstreamToken kept, TimeSpan had, TimeSpan? later)
    {
        // A broker that ends tells it at once.
        if (later is { } pause) await Task.Delay(pause, time, leaving.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var (within, began, answered) = (WaitFor(upstream), time.GetTimestamp(), false);
        try
        {
            var (status, body) = await upstream.AskAsync("auth/token/renew-self", NoFields, kept.Token, kept.Namespace, CancellationToken.None, within);
            answered = true;
            if (status == 200) return AuthIn(body)?.Lasts;
            log.UpstreamRenewalRefused(live.Token.Accessor, status);
            if (status is not (400 or 403)) return null;
            if (!MayLive(status, body)) await tokens.LoseAsync(live.Id, live.EndsIn, CancellationToken.None);
            return had;
        }
        finally
        {
            Hear(answered, began, within);
        }
    }

    /// <summary>A client token was revoked: its token there is revoked in the background.</summary>
    public void Revoked(LiveToken live) => _ = TellAsync(async upstream =>
    {
        if (await tokens.TakeAsync(live.Id, CancellationToken.None) is { IsMissing: false } token) await RevokeAsync(upstream, token);
        return null;
    });

    public async ValueTask DisposeAsync()
    {
        await leaving.CancelAsync();
        await Task.WhenAll(underWay.Keys).WaitAsync(LongestFarewell, TimeProvider.System).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (gate)
        {
            foreach (var (ended, end) in former)
            {
                end.Dispose();
                ended.Dispose();
            }

            channel?.Dispose();
        }

        leaving.Dispose();
    }

    private void EndLater(UpstreamChannel ending) => former.Add((ending, time.CreateTimer(_ => End(ending), null, KeptAfterReload, Timeout.InfiniteTimeSpan)));

    private void End(UpstreamChannel ended)
    {
        lock (gate)
        {
            foreach (var (_, timer) in former.Where(one => one.Channel == ended)) timer.Dispose();
            former.RemoveAll(one => one.Channel == ended);
        }

        ended.Dispose();
    }

    // Tried a few times: a token that remains lives until it expires there, and is not extended.
    private async Task RevokeAsync(UpstreamChannel upstream, UpstreamToken token)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var (status, _) = await upstream.AskAsync("auth/token/revoke-self", NoFields, token.Token, token.Namespace, CancellationToken.None);
                if (status < 500) return;
                throw new VaultError(status, $"status {status}");
            }
            catch (VaultError e)
            {
                if (attempt == Tries)
                {
                    log.UpstreamTokenNotRevoked(e.Message);
                    return;
                }
            }

            await Task.Delay(Pause * attempt, time);
        }
    }

    // It goes on when nobody waits for it. What it answered; null: nothing.
    private Task<TimeSpan?> TellAsync(Func<UpstreamChannel, Task<TimeSpan?>> work)
    {
        if (Channel is not { } upstream) return Task.FromResult<TimeSpan?>(null);
        if (Interlocked.Increment(ref told) > MostUnderWay)
        {
            Interlocked.Decrement(ref told);
            log.UpstreamNotTold("it has not answered to what it was told before");
            return Task.FromResult<TimeSpan?>(null);
        }

        var task = RunAsync();
        underWay[task] = 0;
        task.ContinueWith(done => underWay.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return task;

        async Task<TimeSpan?> RunAsync()
        {
            await Task.Yield();
            try
            {
                return await work(upstream);
            }
            catch (Exception e) when (e is VaultError or LedgerException)
            {
                log.UpstreamNotTold(e.Message);
                return null;
            }
            finally
            {
                Interlocked.Decrement(ref told);
            }
        }
    }

    // One that cannot be renewed, or may not renew itself by its policies, is good until its end: Vault words what a policy forbids as a list.
    private static bool MayLive(int status, byte[] body)
    {
        var text = Encoding.UTF8.GetString(body);
        return status == 403 ? text.Contains("1 error occurred", StringComparison.Ordinal) && !text.Contains("invalid token", StringComparison.Ordinal)
            : text.Contains("not renewable", StringComparison.Ordinal) || text.Contains("cannot be renewed", StringComparison.Ordinal);
    }

    /// <summary>Since when it lets whoever logs in or renews wait in vain.</summary>
    private sealed record Silence(Moment At);

    private static (Secret Token, TimeSpan? Lasts)? AuthIn(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            if (!json.RootElement.TryGetProperty("auth", out var auth) || auth.ValueKind != JsonValueKind.Object || !auth.TryGetProperty("client_token", out var token) || token.GetString() is not { Length: > 0 } text) return null;
            return (new Secret(text), auth.TryGetProperty("lease_duration", out var lasts) && lasts.TryGetInt32(out var seconds) && seconds > 0 ? TimeSpan.FromSeconds(seconds) : null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}

/// <summary>What came of a login at the Vault behind.</summary>
/// <param name="Failure">Why it failed, for the client; null: it did not, or there is no Vault behind.</param>
/// <param name="Lasts">How long its token lives unless it is renewed; null: there is none, or it has no end.</param>
internal readonly record struct UpstreamLogin(string? Failure, TimeSpan? Lasts = null);
