using System.Text;
using System.Text.Json.Nodes;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// The part of Vault's HTTP API that the broker needs, for one server. Throws <see cref="IssuerException"/> and, if a
/// token was refused, <see cref="VaultTokenRefusedException"/>; nothing else, cancellation apart.
/// </summary>
internal sealed class VaultClient : IDisposable
{
    private static readonly HttpMethod List = new("LIST");
    private static readonly VaultPath LookUpSelfPath = VaultPath.Parse("auth/token/lookup-self");
    private static readonly VaultPath RenewSelfPath = VaultPath.Parse("auth/token/renew-self");
    private static readonly VaultPath RenewPath = VaultPath.Parse("sys/leases/renew");
    private static readonly VaultPath RevokePath = VaultPath.Parse("sys/leases/revoke");
    private static readonly VaultPath LookUpPath = VaultPath.Parse("sys/leases/lookup");
    private static readonly VaultPath HealthPath = VaultPath.Parse("sys/health");

    private readonly VaultIssuerDefinition definition;
    private readonly VaultChannels channels;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly string root;

    public VaultClient(VaultIssuerDefinition definition, VaultChannels channels, TimeProvider time, ILogger logger)
    {
        (this.definition, this.channels, this.time, this.logger) = (definition, channels, time, logger);
        root = $"{definition.Address.GetLeftPart(UriPartial.Path).TrimEnd('/')}/v1/";
    }

    /// <summary>Logs in to Vault; returns a client token.</summary>
    public Task<Secret> LogInAsync(VaultAuth auth, CancellationToken cancellation) => auth switch
    {
        VaultTokenAuth given => ReadTokenAsync(given.Token, cancellation),
        VaultAppRoleAuth role => LogInAsync(
            role.Mount, "role_id", role.RoleId, "secret_id", role.SecretId, cancellation),
        VaultKubernetesAuth account => LogInAsync(
            account.Mount, "role", account.Role, "jwt", account.Token, cancellation),
        _ => throw new ArgumentOutOfRangeException(nameof(auth), auth, "No such way to log in to Vault."),
    };

    /// <summary>Describes the token.</summary>
    public async Task<VaultTokenBody> LookUpSelfAsync(Secret token, CancellationToken cancellation)
    {
        var reply = await SendAsync(new VaultRequest(VaultCall.LookUpSelf, HttpMethod.Get, LookUpSelfPath), token, cancellation);
        return reply.Data(VaultJson.Default.VaultTokenBody) is { Ttl: not null } body
            ? body
            : throw VaultRefusal.Of(VaultVerdict.Unavailable, reply);
    }

    /// <summary>
    /// Renews a token for as long as possible by asking for more than any token can have. A periodic token gets its period, any other
    /// all the time that it has left, with a warning; <c>lookup-self</c> tells the two apart only for tokens made by
    /// <c>auth/token/create</c> (recordings of Vault 1.5 and OpenBao 2.5, 06 and 07).
    /// </summary>
    public async Task<VaultTokenRenewal> RenewSelfAsync(Secret token, CancellationToken cancellation)
    {
        var body = new JsonObject { ["increment"] = VaultJson.LongestSeconds };
        var reply = await SendAsync(new VaultRequest(VaultCall.RenewSelf, HttpMethod.Post, RenewSelfPath, body), token, cancellation);
        return reply.Envelope is { Auth.LeaseDuration: not null } envelope
            ? VaultTokenRenewal.From(envelope)
            : throw VaultRefusal.Of(VaultVerdict.Unavailable, reply);
    }

    /// <summary>Creates a user by reading a path of the database engine.</summary>
    public async Task<VaultCredentials> IssueAsync(VaultPath path, Secret token, CancellationToken cancellation)
    {
        var reply = await SendAsync(new VaultRequest(VaultCall.Issue, HttpMethod.Get, path), token, cancellation);
        if (reply.IsRedirected) Log.IssuedAfterRedirect(logger, definition.Name, path);
        return VaultCredentials.From(reply);
    }

    /// <summary>Asks for more time for a lease; null when it lives but can get no more.</summary>
    public async Task<LeaseTerm?> RenewAsync(string lease, TimeSpan increment, Secret token, CancellationToken cancellation)
    {
        var body = new JsonObject { ["lease_id"] = lease, ["increment"] = (long)Math.Clamp(Math.Ceiling(increment.TotalSeconds), 1, int.MaxValue) };
        var request = new VaultRequest(VaultCall.Renew, HttpMethod.Put, RenewPath, body);
        var (verdict, reply) = await TryAsync(request, token, cancellation);
        return verdict switch
        {
            VaultVerdict.LeaseAtItsEnd => null,
            VaultVerdict.Done when reply.Envelope is { LeaseDuration: not null } renewed =>
                new LeaseTerm(renewed.Duration, renewed.Renewable ?? false, renewed.Warning),
            VaultVerdict.Done => throw VaultRefusal.Of(VaultVerdict.Unavailable, reply),
            _ => throw Failure(verdict, reply, token),
        };
    }

    /// <summary>Drops a lease's user, and waits until that is done.</summary>
    public async Task RevokeAsync(string lease, Secret token, CancellationToken cancellation)
    {
        var body = new JsonObject { ["lease_id"] = lease, ["sync"] = true };
        var reply = await SendAsync(new VaultRequest(VaultCall.Revoke, HttpMethod.Put, RevokePath, body), token, cancellation);

        // A 200 that is not Vault's (a proxy's page) has revoked nothing.
        if (reply is { Status: 200, Envelope: null }) throw VaultRefusal.Of(VaultVerdict.Unavailable, reply);
    }

    /// <summary>Describes a lease; null when Vault no longer knows it.</summary>
    public async Task<VaultLease?> LookUpAsync(string lease, Secret token, CancellationToken cancellation)
    {
        var request = new VaultRequest(VaultCall.LookUp, HttpMethod.Put, LookUpPath, new JsonObject { ["lease_id"] = lease });
        var (verdict, reply) = await TryAsync(request, token, cancellation);
        return verdict switch
        {
            VaultVerdict.LeaseUnknown => null,
            VaultVerdict.Done when reply.Data(VaultJson.Default.VaultLeaseBody) is { Ttl: { } ttl, IssueTime: { } issued } body => new VaultLease(
                issued,
                new LeaseTerm(TimeSpan.FromSeconds(Math.Clamp(ttl, 0, VaultJson.LongestSeconds)), body.Renewable ?? false)),
            VaultVerdict.Done => throw VaultRefusal.Of(VaultVerdict.Unavailable, reply),
            _ => throw Failure(verdict, reply, token),
        };
    }

    /// <summary>The full ids of the leases under a path.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(VaultPath path, Secret token, CancellationToken cancellation)
    {
        var request = new VaultRequest(VaultCall.List, List, VaultPath.Parse($"{LookUpPath}/{path}"));
        var (verdict, reply) = await TryAsync(request, token, cancellation);
        return verdict switch
        {
            VaultVerdict.NothingThere => [],
            VaultVerdict.Done when reply.Data(VaultJson.Default.VaultKeysBody)?.Keys is { } keys =>
                [.. keys.Where(IsUserLease).Select(key => $"{path}/{key}")],
            VaultVerdict.Done => throw VaultRefusal.Of(VaultVerdict.Unavailable, reply),
            _ => throw Failure(verdict, reply, token),
        };
    }

    /// <summary>The state of the server. Needs no token, and is asked even while the circuit is open.</summary>
    public async Task<VaultHealth> HealthAsync(CancellationToken cancellation)
    {
        var request = new VaultRequest(VaultCall.Health, HttpMethod.Get, HealthPath);
        var reply = await ExchangeAsync(request, token: null, cancellation);
        return VaultHealth.StateOf(reply.Status) is { } state
            ? new VaultHealth(state, reply.Whole(VaultJson.Default.VaultHealthBody)?.Version)
            : throw VaultRefusal.Of(VaultVerdict.Unavailable, reply);
    }

    public void Dispose() => channels.Dispose();

    private async Task<Secret> LogInAsync(
        string mount, string who, string name, string proof, SecretSource source, CancellationToken cancellation)
    {
        var secret = await ReadAsync(source, cancellation);
        var request = new VaultRequest(
            VaultCall.LogIn,
            HttpMethod.Post,
            VaultPath.Parse($"auth/{mount.Trim('/')}/login"),
            new JsonObject { [who] = name, [proof] = secret.Reveal() });
        var reply = await ExchangeAsync(request, token: null, cancellation);
        var verdict = Verdict(reply);
        if (verdict != VaultVerdict.Done) throw Failure(verdict, reply, secret);
        if (reply.Envelope?.Auth?.NumUses > 0) throw VaultRefusal.OfLimitedUses();
        return reply.Envelope?.Auth?.ClientToken is { Length: > 0 } token
            ? new Secret(token)
            : throw VaultRefusal.Of(VaultVerdict.Unavailable, reply, secret);
    }

    /// <summary>Checks a given token, which goes into a header and may therefore only contain printable ASCII.</summary>
    private static async Task<Secret> ReadTokenAsync(SecretSource source, CancellationToken cancellation)
    {
        var token = await ReadAsync(source, cancellation);
        if (token.Reveal().StartsWith('{'))
            throw new IssuerException(
                IssuerFailure.Refused,
                "The given Vault token is JSON, which a Vault Agent writes when its sink has wrap_ttl or dh_type. Remove these from the sink, so that the file holds only the token.");
        return token.Reveal().All(letter => letter is > ' ' and <= '~')
            ? token
            : throw new IssuerException(
                IssuerFailure.Refused,
                "The given Vault token holds a character that no token has (a space, a line break). Give only the token.");
    }

    private static async ValueTask<Secret> ReadAsync(SecretSource source, CancellationToken cancellation)
    {
        try
        {
            return await source.ReadAsync(cancellation);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new IssuerException(
                IssuerFailure.Refused,
                $"Cannot log in to Vault: the secret file {source.File} cannot be read ({unreadable.GetType().Name}). Put the secret there, readable for the broker.",
                inner: unreadable);
        }
    }

    /// <summary>Makes a call and throws unless it succeeds.</summary>
    private async Task<VaultReply> SendAsync(VaultRequest request, Secret token, CancellationToken cancellation)
    {
        var (verdict, reply) = await TryAsync(request, token, cancellation);
        return verdict is VaultVerdict.Done or VaultVerdict.NothingThere ? reply : throw Failure(verdict, reply, token);
    }

    private async Task<(VaultVerdict Verdict, VaultReply Reply)> TryAsync(VaultRequest request, Secret token, CancellationToken cancellation)
    {
        var reply = await ExchangeAsync(request, token, cancellation);
        return (Verdict(reply), reply);
    }

    private static VaultVerdict Verdict(VaultReply reply)
    {
        var errors = reply.Envelope?.Errors;
        var verdict = VaultStatus.Read(reply.Request.Call, reply.Status, errors is not null, VaultErrorText.Clean(errors ?? []));
        return reply.IsRedirected ? VaultStatus.AfterRedirect(reply.Request.Call, verdict) : verdict;
    }

    private static Exception Failure(VaultVerdict verdict, VaultReply reply, Secret secret)
    {
        var refusal = VaultRefusal.Of(verdict, reply, secret);
        return verdict == VaultVerdict.TokenRefused ? new VaultTokenRefusedException(refusal) : refusal;
    }

    private async Task<VaultReply> ExchangeAsync(VaultRequest request, Secret? token, CancellationToken cancellation)
    {
        using var message = new HttpRequestMessage(request.Method, root + request.Path.Escaped);
        message.Headers.Add("X-Vault-Request", "true");
        Say(message, "X-Vault-Namespace", definition.Namespace, "Namespace");
        Say(message, "X-Vault-Token", token?.Reveal(), "The token");
        if (request.Body is { } body) message.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");

        // The framework by itself sends a request without content up to three times more when its connection closes before
        // the answer. Vault can have made a user by then. A request with content, even an empty one, is sent once.
        else if (request.Call == VaultCall.Issue) message.Content = new ByteArrayContent([]);
        try
        {
            using var answer = await channels.For(request.Call).SendAsync(message, cancellation);
            return await VaultReply.FromAsync(request, answer, time, cancellation);
        }
        catch (Exception failure) when (!cancellation.IsCancellationRequested && failure is not (IssuerException or VaultTokenRefusedException))
        {
            throw VaultRefusal.Of(request, failure);
        }
    }

    // A file with more than the token, such as a second line, cannot be sent.
    private static void Say(HttpRequestMessage message, string header, string? value, string what)
    {
        if (value is not { Length: > 0 }) return;
        if (!Ascii.IsValid(value) || value.Any(char.IsControl))
            throw new IssuerException(
                IssuerFailure.Refused, $"{what} for Vault has a line break, or another character that an HTTP header cannot have. Write only the value, also in its file.");
        message.Headers.Add(header, value);
    }

    /// <summary>
    /// Under a credentials path Vault also keeps the leases of tokens it made there (for wrapped answers): <c>h</c> and 64
    /// hexadecimal digits, in a namespace followed by a dot and its id. They are not users. A key that ends in a slash is a folder:
    /// another path's leases.
    /// </summary>
    private static bool IsUserLease(string key) =>
        !key.EndsWith('/')
        && !(key.Split('.')[0] is { Length: 65 } id && id[0] == 'h' && id.Skip(1).All(char.IsAsciiHexDigitLower));
}
