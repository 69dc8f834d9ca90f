using System.Collections.Concurrent;
using System.Text.Json;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Passing;

/// <summary>
/// Logs clients in at the Vault behind, by their own proof, and keeps the token of each beside the one that the broker gave it. A Vault that is
/// away or refuses harms no login at the broker: passing requests are refused then, and the next login tries again.
/// </summary>
internal sealed class UpstreamLogins(ICatalog catalog, UpstreamTokens tokens, TimeProvider time, ILogger<UpstreamLogins> log) : IAsyncDisposable
{
    /// <summary>How many calls to a slow or absent Vault run at the same time; further ones are dropped.</summary>
    public const int MostUnderWay = 250;

    private const int Tries = 3;
    private static readonly string[] Proofs = ["role", "jwt", "role_id", "secret_id"];
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestFarewell = TimeSpan.FromSeconds(5);

    // Answers that still stream over it may take this long.
    private static readonly TimeSpan KeptAfterReload = TimeSpan.FromMinutes(5);
    private readonly ConcurrentDictionary<Task, byte> underWay = new();
    private readonly Lock gate = new();
    private readonly List<(UpstreamChannel Channel, ITimer End)> former = [];
    private UpstreamChannel? channel;

    /// <summary>The calls to the Vault behind that are under way.</summary>
    public int UnderWay => underWay.Count;

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

    /// <summary>Logs in there too. Answers why that failed, for the client; null: it did not, or there is no Vault behind.</summary>
    public async ValueTask<string?> LogInAsync(VaultCall call, AuthMount mount, VaultClient client)
    {
        if (Channel is not { } upstream) return null;
        var fields = Proofs.Select(name => KeyValuePair.Create(name, call.Body.Text(name)!)).Where(field => field.Value is { Length: > 0 }).ToDictionary(StringComparer.Ordinal);
        try
        {
            var (status, body) = await upstream.AskAsync(call.Path, fields, null, call.Namespace, call.Cancellation);
            if (status == 200 && TokenIn(body) is { } token)
            {
                if (await tokens.KeepAsync(client.Live.Id, OwnersGroup.Of(client.Caller, client.Live.Token.SecretId, call.Origin), token, client.Live.EndsIn, call.Cancellation)) return null;
                await RevokeAsync(upstream, token);
                return "the ledger keeps no more tokens of the Vault behind";
            }

            log.UpstreamLoginRefused(mount.Name, status);
            return $"the Vault behind refused this login with status {status}: paths that pass to it are refused too";
        }
        catch (Exception e) when (e is VaultError or LedgerException)
        {
            log.UpstreamLoginFailed(mount.Name, e.Message);
            return "the Vault behind could not be logged in to: paths that pass to it are refused until you log in again";
        }
    }

    /// <summary>The token with which a client's requests pass; null: its login has none.</summary>
    public ValueTask<Secret?> TokenOfAsync(VaultClient client, CancellationToken cancellation) => tokens.FindAsync(client.Live.Id, cancellation);

    /// <summary>A client token was renewed: its token there is renewed in the background.</summary>
    public void Renewed(LiveToken live) => Meanwhile(async upstream =>
    {
        if (await tokens.RenewAsync(live.Id, live.EndsIn, CancellationToken.None) is not { } token) return;
        var (status, _) = await upstream.AskAsync("auth/token/renew-self", new Dictionary<string, string>(), token, null, CancellationToken.None);
        if (status >= 400) log.UpstreamRenewalRefused(live.Token.Accessor, status);
    });

    /// <summary>A client token was revoked: its token there is revoked in the background.</summary>
    public void Revoked(LiveToken live) => Meanwhile(async upstream =>
    {
        if (await tokens.TakeAsync(live.Id, CancellationToken.None) is { } token) await RevokeAsync(upstream, token);
    });

    public async ValueTask DisposeAsync()
    {
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
    private async Task RevokeAsync(UpstreamChannel upstream, Secret token)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var (status, _) = await upstream.AskAsync("auth/token/revoke-self", new Dictionary<string, string>(), token, null, CancellationToken.None);
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

    // The caller does not wait until the Vault behind has heard of it.
    private void Meanwhile(Func<UpstreamChannel, Task> work)
    {
        if (Channel is not { } upstream) return;
        if (underWay.Count >= MostUnderWay)
        {
            log.UpstreamNotTold("it has not answered to what it was told before");
            return;
        }

        var task = RunAsync();
        underWay[task] = 0;
        task.ContinueWith(done => underWay.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

        async Task RunAsync()
        {
            await Task.Yield();
            try
            {
                await work(upstream);
            }
            catch (Exception e) when (e is VaultError or LedgerException)
            {
                log.UpstreamNotTold(e.Message);
            }
        }
    }

    private static Secret? TokenIn(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.TryGetProperty("auth", out var auth) && auth.ValueKind == JsonValueKind.Object && auth.TryGetProperty("client_token", out var token) && token.GetString() is { Length: > 0 } text
                ? new Secret(text) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
