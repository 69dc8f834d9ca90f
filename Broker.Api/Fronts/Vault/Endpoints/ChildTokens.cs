using System.Text.RegularExpressions;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Leases;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>
/// <c>auth/token/create</c>: a token that a client makes for itself, as Terraform's Vault provider does whenever it starts. It is the same caller, depends on all that its
/// parent depends on, and ends with it; what operators of Vault make besides is refused in Vault's words (OpenBao vault/token_store.go handleCreateCommon).
/// </summary>
internal sealed partial class ChildTokens(ClientTokenDesk desk, TimeProvider time)
{
    private const string Default = "default";

    /// <summary>Makes one.</summary>
    /// <exception cref="VaultError">It asks for another one than that.</exception>
    public async ValueTask<VaultReply> CreateAsync(VaultCall call, VaultClient client)
    {
        var (parent, body) = (client.Live.Token, call.Body);
        if (parent.Parent is not null) throw VaultError.PermissionDenied(); // one end to look for, not a chain of them
        if (body.Text("id") is { Length: > 0 }) throw VaultError.Bad("root or sudo privileges required to specify token id");
        if (body.Flag("no_parent")) throw VaultError.Bad("root or sudo privileges required to create orphan token");
        if (body.Duration("period") > TimeSpan.Zero) throw VaultError.Bad("root or sudo privileges required to create periodic token");
        if (body.Text("num_uses") is { Length: > 0 } and not "0") throw VaultError.Bad("tokens with a number of uses are not made here");
        if (body.Text("type") is { Length: > 0 } and not "service") throw VaultError.Bad("only tokens of type service are made here");
        if (body.Text("entity_alias") is { Length: > 0 }) throw VaultError.Bad("'entity_alias' is only allowed in combination with token role");
        var policies = PoliciesOf(body, parent);

        // No longer than its parent would live now, whatever renewals give that.
        var (wanted, explicitly, rest) = (Asked(body.Duration("ttl")) ?? Asked(body.Duration("lease")) ?? parent.Ttl, Asked(body.Duration("explicit_max_ttl")), Whole(client.Live.EndsIn));
        var most = explicitly < rest ? explicitly.Value : rest;
        var ttl = wanted < most ? wanted : most;
        if (ttl <= TimeSpan.Zero) throw VaultError.Bad("lease expired");
        var token = parent with
        {
            Accessor = TokenReply.NewAccessor(),
            DisplayName = NameOf(body.Text("display_name")),
            Policies = policies,
            IssuedAt = time.GetUtcNow(),
            RenewedAt = null,
            Ttl = ttl,
            MaxTtl = most,
            Parent = client.Live.Id,
            ExplicitMaxTtl = explicitly is null ? null : most,
            Renewable = (body.Text("renewable") is null || body.Flag("renewable")) && ttl < most,
        };
        var (text, live, refusal) = await desk.OpenAsync(client.Caller, token, null, call.Origin, Requests.ToItsEnd);
        return refusal is not null ? throw VaultRefusals.Of(refusal) : TokenReply.Of(live!, text!.Reveal(), ttl < wanted ? wanted : null, most: most);
    }

    private static string[] PoliciesOf(VaultBody body, ClientToken parent)
    {
        var (asked, hasDefault) = (body.Texts("policies"), !body.Flag("no_default_policy"));
        if (asked.Any(policy => !parent.Policies.Contains(policy))) throw VaultError.Bad("child policies must be subset of parent");
        return [.. (asked.Count == 0 ? parent.Policies : asked).Where(policy => hasDefault || policy != Default).Concat(hasDefault ? [Default] : []).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    private static string NameOf(string? asked) => string.IsNullOrEmpty(asked) ? "token" : NoName().Replace($"token-{asked}", "-").TrimEnd('-');

    private static TimeSpan? Asked(TimeSpan time) => time > TimeSpan.Zero ? time : null;

    private static TimeSpan Whole(TimeSpan time) => TimeSpan.FromSeconds(Math.Floor(time.TotalSeconds));

    [GeneratedRegex("[^a-zA-Z0-9-]")]
    private static partial Regex NoName();
}
