using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// The broker's token at one Vault: logs in when there is none, one login at a time; renews it in time; and knows for how
/// long its leases are safe. It is never revoked, not even at the end of the process: its leases would end with it.
/// </summary>
internal sealed class VaultTokenSource(
    VaultClient client, VaultIssuerDefinition definition, IVaultTokenStore store, TimeProvider time, ILogger logger)
{
    /// <summary>A refused login is not tried again before this time: fixing it takes longer, and Vault locks out callers that try too often.</summary>
    private static readonly TimeSpan RefusedLoginPause = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    /// <summary>A token with no more than this left that cannot be extended is a failure that somebody has to fix.</summary>
    private static readonly TimeSpan SoonOver = TimeSpan.FromMinutes(10);

    private readonly string key = VaultTokenKey.Of(definition);
    private readonly string method = VaultTokenKey.MethodOf(definition.Auth);
    private readonly VaultTokenFile? file = definition.Auth is VaultTokenAuth { Token: { File: not null } source } ? new(source) : null;
    private readonly Shared<VaultToken> loggingIn = new();
    private readonly Shared<Kept> keepingAlive = new();
    private Rest? rest;
    private (long At, IssuerException Refusal)? refusedLogin;

    /// <summary>A token whose time is not over.</summary>
    public async Task<VaultToken> GetAsync(CancellationToken cancellation)
    {
        var token = await store.ReadAsync(key, cancellation);
        return token is { HasEnded: false } ? token : await LogInAsync(insteadOf: null, cancellation);
    }

    /// <summary>A token with at least half of its time left, if possible: for leases, which end with it.</summary>
    public async Task<VaultToken> GetFreshAsync(CancellationToken cancellation)
    {
        var token = await GetAsync(cancellation);
        if (!token.IsPastHalf || rest?.Holds(token, time.GetTimestamp()) == true) return token;
        await keepingAlive.RunAsync(KeepAliveAloneAsync, cancellation); // one that could not be prolonged still lives
        return await GetAsync(cancellation);
    }

    /// <summary>
    /// Runs a call with the token, and again with a new one when the token turns out to have ended.
    /// </summary>
    /// <exception cref="IssuerException"><see cref="IssuerFailure.Refused"/> when the token is sound and its policy forbids the call.</exception>
    public async Task<T> RunAsync<T>(Func<VaultToken, Task<T>> call, CancellationToken cancellation)
    {
        var token = await GetAsync(cancellation);
        try
        {
            return await call(token);
        }
        catch (VaultTokenRefusedException refused)
        {
            if (await IsAliveAsync(token, cancellation)) throw refused.AsPolicy;
        }

        token = await LogInAsync(insteadOf: token, cancellation);
        try
        {
            return await call(token);
        }
        catch (VaultTokenRefusedException refused)
        {
            throw refused.AsPolicy;
        }
    }

    /// <summary>
    /// Keeps the token alive: renews it once half of its time has passed; when it can get no more, lets a new one follow it
    /// while the leases of the old one run out. Any replica may call it, at any time, and should call it again after the
    /// answered time at the latest.
    /// </summary>
    /// <returns>When to call again, at least a second; null: never, because the token has no end.</returns>
    /// <exception cref="IssuerException">
    /// The token could not be renewed in its time, or it ends within ten minutes and gets no more: its leases die with it unless
    /// somebody fixes that. <see cref="IssuerException.RetryAfter"/> says when to try again.
    /// </exception>
    public async Task<TimeSpan?> KeepAliveAsync(CancellationToken cancellation)
    {
        var kept = await keepingAlive.RunAsync(KeepAliveAloneAsync, cancellation);
        return kept.Failure is { } failure ? throw new IssuerException(failure.Failure, failure.Message, kept.ComeBack, failure) : kept.ComeBack;
    }

    private async Task<Kept> KeepAliveAloneAsync()
    {
        var kept = await TryKeepAliveAsync();
        if (file is not null && !(kept.ComeBack < LongestPause)) kept = kept with { ComeBack = LongestPause }; // the file's maintainer may put another token there
        if (kept.Token is { } token && kept.ComeBack is { } wait)
            rest = new Rest(token.Value, time.GetTimestamp() + (long)(wait.TotalSeconds * time.TimestampFrequency));
        return kept;
    }

    private async Task<Kept> TryKeepAliveAsync()
    {
        VaultToken? token = null;
        try
        {
            token = await GetAsync(CancellationToken.None);
            token = await FollowFileAsync(token);
            if (token.IsPastHalf) token = await ProlongAsync(token, CancellationToken.None);
            if (token.TimeLeft is not { } left) return new(token, null);
            if (!token.IsPastHalf) return new(token, AtLeastShortest(left - (token.FullTtl / 2)));

            Log.TokenEndsForGood(logger, definition.Name, left);

            // The file's maintainer puts another token there in time, which may be shortly before the end.
            var soon = file is not null && token.FullTtl / 10 < SoonOver ? token.FullTtl / 10 : SoonOver;
            return new(token, Pause(left / 4), left > soon ? null : new(
                IssuerFailure.Refused,
                $"The Vault token of issuer '{definition.Name}' can neither be renewed nor replaced; it and every lease that it created end within {Math.Ceiling(soon.TotalMinutes):0} minutes. Give the broker a periodic token, or let it log in with AppRole or Kubernetes."));
        }
        catch (IssuerException failure)
        {
            var pause = Pause(failure.RetryAfter ?? token?.TimeLeft / 10);
            Log.TokenNotKeptAlive(logger, definition.Name, failure.Message, token?.TimeLeft, pause);
            return new(token, pause, failure);
        }
    }

    private async Task<VaultToken> ProlongAsync(VaultToken token, CancellationToken cancellation)
    {
        if (token.Renewable)
        {
            try
            {
                var renewed = (await client.LookUpSelfAsync(token.Value, cancellation)).Describe(token.Value, await client.RenewSelfAsync(token.Value, cancellation));

                // A token that once got all its time is measured by that from then on: a later remainder of it is not its full life.
                if (renewed.Horizon is not null && renewed.FullTtl < token.FullTtl) renewed = renewed with { FullTtl = token.FullTtl };
                token = await store.ReplaceAsync(key, token, renewed with { Earlier = token.Earlier }, cancellation);
                Log.TokenRenewed(logger, definition.Name, token.TimeLeft);
            }
            catch (VaultTokenRefusedException refused)
            {
                if (!await IsAliveAsync(token, cancellation)) return await LogInAsync(insteadOf: token, cancellation);
                if (!token.IsNearItsEnd) throw refused.AsPolicy;
            }
            catch (IssuerException refused) when (refused.Failure == IssuerFailure.Refused || token.IsNearItsEnd)
            {
                // 400 "lease is not renewable", "lease expired": it is at its end, whatever it said before. Or no renewal succeeded
                // for a quarter of its life (500 if its role was given other policies, or is gone): a new one follows
                // while there is time, because the leases of this one would otherwise all end at once with it.
            }
        }

        return token.IsPastHalf ? await LogInAgainAsync(token, cancellation) : token;
    }

    /// <summary>Logs in while the token still lives, if that yields a token that lives longer.</summary>
    private async Task<VaultToken> LogInAgainAsync(VaultToken token, CancellationToken cancellation)
    {
        var secret = await client.LogInAsync(definition.Auth, cancellation);
        if (secret.Equals(token.Value)) return token;
        var next = await DescribeAsync(secret, cancellation);
        return next.TimeLeft <= token.TimeLeft ? token : await FollowAsync(token, next);
    }

    /// <summary>A token that replaced the one in use in the file is used from now on: the other may be revoked soon.</summary>
    private async Task<VaultToken> FollowFileAsync(VaultToken token)
    {
        if (file is null || await file.FollowerOfAsync(token.Value) is not { } put) return token;
        try
        {
            return await FollowAsync(token, await DescribeAsync(put, CancellationToken.None));
        }
        catch (IssuerException unusable)
        {
            Log.TokenInFileNotUsable(logger, definition.Name, unusable.Message);
            return token;
        }
    }

    private async Task<VaultToken> FollowAsync(VaultToken token, VaultToken next)
    {
        Log.TokenFollowed(logger, definition.Name, token.TimeLeft);
        return await store.ReplaceAsync(key, token, token.FollowedBy(next), CancellationToken.None);
    }

    private Task<VaultToken> LogInAsync(VaultToken? insteadOf, CancellationToken cancellation) =>
        loggingIn.RunAsync(() => LogInAloneAsync(insteadOf), cancellation);

    private async Task<VaultToken> LogInAloneAsync(VaultToken? refused)
    {
        try
        {
            var stored = await store.ReadAsync(key, CancellationToken.None);
            if (stored is { HasEnded: false } && !stored.Value.Equals(refused?.Value)) return stored; // another replica was faster
            if (refusedLogin is { } last && time.GetElapsedTime(last.At) < RefusedLoginPause) throw last.Refusal;
            if (stored is not null) Log.TokenDied(logger, definition.Name);

            var secret = await client.LogInAsync(definition.Auth, CancellationToken.None);
            var token = await DescribeAsync(secret, CancellationToken.None);
            refusedLogin = null;
            Log.LoggedIn(logger, definition.Name, method, token.TimeLeft, token.Horizon);
            if (token.Horizon is { } horizon) Log.TokenNotPeriodic(logger, definition.Name, horizon);
            return await store.ReplaceAsync(key, stored, token with { Earlier = stored?.Earlier ?? [] }, CancellationToken.None);
        }
        catch (IssuerException failure)
        {
            if (failure.Failure == IssuerFailure.Refused) refusedLogin = (time.GetTimestamp(), failure);
            Log.LoginFailed(logger, definition.Name, method, failure.Message);
            throw;
        }
    }

    /// <summary>Vault's description of a token that we were just given; renewed at once if possible, which shows whether it is periodic.</summary>
    private async Task<VaultToken> DescribeAsync(Secret token, CancellationToken cancellation)
    {
        try
        {
            var said = await client.LookUpSelfAsync(token, cancellation);
            if (said.NumUses > 0) throw VaultRefusal.OfLimitedUses();
            return said.Describe(token, said.CanBeRenewed ? await TryRenewAsync(token, cancellation) : null);
        }
        catch (VaultTokenRefusedException refused)
        {
            throw definition.Auth is VaultTokenAuth
                ? new IssuerException(
                    IssuerFailure.Refused,
                    "Vault refuses the given token: it has ended, was revoked or used up, or may not look itself up. Replace it with a new one.")
                : refused.AsPolicy;
        }
    }

    /// <summary>Null: it may not renew itself, or can get no more time; it then counts as one that cannot be renewed.</summary>
    private async Task<VaultTokenRenewal?> TryRenewAsync(Secret token, CancellationToken cancellation)
    {
        try
        {
            return await client.RenewSelfAsync(token, cancellation);
        }
        catch (VaultTokenRefusedException refused)
        {
            Log.TokenMayNotRenewItself(logger, definition.Name, refused.AsPolicy.Message);
            return null;
        }
        catch (IssuerException refused) when (refused.Failure == IssuerFailure.Refused)
        {
            return null; // 400 "lease is not renewable", whatever it said before
        }
    }

    private async Task<bool> IsAliveAsync(VaultToken token, CancellationToken cancellation)
    {
        var stored = await store.ReadAsync(key, cancellation);
        if (stored is not null && !stored.Value.Equals(token.Value)) return false; // replaced while we asked with it
        try
        {
            await client.LookUpSelfAsync(token.Value, cancellation);
            return true;
        }
        catch (VaultTokenRefusedException)
        {
            return false;
        }
    }

    private static TimeSpan Pause(TimeSpan? wanted) =>
        AtLeastShortest(wanted is { } pause && pause < LongestPause ? pause : LongestPause);

    private static TimeSpan AtLeastShortest(TimeSpan pause) => pause > ShortestPause ? pause : ShortestPause;

    /// <summary>The result of keeping it alive.</summary>
    private sealed record Kept(VaultToken? Token, TimeSpan? ComeBack, IssuerException? Failure = null);

    /// <summary>Until when a token that could not be prolonged is left alone: an issue or renewal does not try each time.</summary>
    private sealed record Rest(Secret Token, long Until)
    {
        public bool Holds(VaultToken token, long now) => now < Until && Token.Equals(token.Value);
    }
}
