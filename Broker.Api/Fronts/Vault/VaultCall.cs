using System.Globalization;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Problems;
using Broker.Api.Fronts.Vault.Endpoints;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault;

/// <summary>One request of a Vault client.</summary>
/// <param name="Context">The request's.</param>
/// <param name="Path">The path behind <c>/v1/</c>, unescaped and without a namespace.</param>
/// <param name="Operation">Its operation.</param>
/// <param name="Body">Its fields.</param>
/// <param name="Namespace">The client's namespace; null: none.</param>
internal sealed record VaultCall(HttpContext Context, string Path, VaultOperation Operation, VaultBody Body, string? Namespace)
{
    private const string TokenHeader = "X-Vault-Token";
    private const string ConnectionsHeader = "X-Broker-Connections";
    private const string MinConnectionsHeader = "X-Broker-Min-Connections";
    private const string HolderHeader = "X-Broker-Holder";

    public Origin Origin { get; } = new(Context.TraceId(), Context.Connection.RemoteIpAddress?.ToString());

    public CancellationToken Cancellation => Context.RequestAborted;

    /// <summary>Who makes it, once that is proven; by a login, who was let in. Null: nobody yet.</summary>
    public VaultClient? Client { get; set; }

    /// <summary>The login that it made; null: none.</summary>
    public Proven? Login { get; set; }

    /// <summary>The token it came with; null: none.</summary>
    public string? TokenText => TokenOf(Context);

    /// <summary>The time for which its answer should be wrapped; null: not at all.</summary>
    /// <exception cref="VaultError">It cannot be read.</exception>
    public TimeSpan? WrapTtl
    {
        get
        {
            if (Context.Request.Headers["X-Vault-Wrap-TTL"].FirstOrDefault() is not { Length: > 0 } text) return null;
            if (!GoDuration.TryParse(text, out var ttl)) throw VaultError.Bad($"error parsing X-Vault-Wrap-TTL header: {GoDuration.WhyNot(text)}");
            if (ttl < TimeSpan.Zero) throw VaultError.Bad("error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative");
            return ttl == TimeSpan.Zero ? null : TimeSpan.FromSeconds(Math.Ceiling(ttl.TotalSeconds));
        }
    }

    /// <summary>The number of connections that the client gives for a read; null: as configured.</summary>
    /// <exception cref="VaultError">It is not a number.</exception>
    public int? Connections => NumberOf(ConnectionsHeader);

    /// <summary>The fewest connections that the client accepts; null: as many as it asks for.</summary>
    /// <exception cref="VaultError">It is not a number.</exception>
    public int? MinConnections => NumberOf(MinConnectionsHeader);

    /// <summary>The fewest connections that a read accepts. A number in the mount table is what the operator has it stand for, and no demand of the client's.</summary>
    /// <param name="role">The requested role.</param>
    /// <returns>Null: as many as the client itself asks for.</returns>
    public int? LeastOf(Role role) => MinConnections ?? (Connections is null ? role.Connections.Min : null);

    /// <summary>The client's name for itself, which tells several processes of one pod or of one token apart; null: none.</summary>
    public string? Holder => Context.Request.Headers[HolderHeader].FirstOrDefault() is { Length: > 0 } text ? text : null;

    private int? NumberOf(string header) => Context.Request.Headers[header].FirstOrDefault() is not { Length: > 0 } text ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : throw VaultError.Bad($"{header} is not a whole number");

    public static string? TokenOf(HttpContext context)
    {
        if (context.Request.Headers[TokenHeader].FirstOrDefault() is { Length: > 0 } token) return token;
        return context.Request.BearerToken() is { IsEmpty: false } bearer ? bearer.ToString() : null;
    }

    /// <summary>The namespace in a request's header; null: none.</summary>
    public static string? NamespaceOf(HttpContext context) => context.Request.Headers["X-Vault-Namespace"].FirstOrDefault() is { Length: > 0 } text ? text : null;

    /// <summary>The rest of the path, if it begins with this; null otherwise.</summary>
    public string? After(string prefix) => Path.StartsWith(prefix, StringComparison.Ordinal) ? Path[prefix.Length..] : null;

    /// <exception cref="VaultError">It is another operation.</exception>
    public void Must(params ReadOnlySpan<VaultOperation> operations)
    {
        if (!operations.Contains(Operation)) throw VaultError.UnsupportedOperation();
    }
}

/// <summary>The client that makes a call.</summary>
/// <param name="Caller">The caller.</param>
/// <param name="Live">The token that proves it.</param>
/// <param name="Text">The token's text.</param>
internal sealed record VaultClient(Caller Caller, LiveToken Live, string Text);
