namespace Broker.Core.Catalog;

/// <summary>
/// The Vault behind the Vault-compatible API, to which the listed paths pass, so that clients read <c>kv</c> and the broker's roles at one
/// address. Requests pass with the client's own Vault token, which its own login proof obtained there; the broker's token is never sent there.
/// </summary>
public sealed record VaultUpstream
{
    /// <summary>e.g. <c>https://vault:8200</c>. Plain <c>http</c> only to loopback, or with <c>AllowInsecureTransport</c>.</summary>
    public required Uri Address { get; init; }

    /// <summary>Sent as <c>X-Vault-Namespace</c>; null: the client's own.</summary>
    public string? Namespace { get; init; }

    /// <summary>PEM file of the authority that signed the server's certificate; null: the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>
    /// How long it may take to connect (100 ms to 2 min, default 10 s), and to log a client in or renew its token there, where three seconds are the most.
    /// Other answers may take a minute and a half to begin, as in Vault, or this where it is longer.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The paths that pass, each including everything below it.</summary>
    public IReadOnlyList<string> Pass { get; init => field = new TextList(value); } = new TextList([]);

    /// <summary>
    /// Shadow mode: reads of databases pass too, and the broker counts what sharing would have saved (default false). Names whose
    /// <see cref="SecretRole.Shadow"/> is false are served by the broker.
    /// </summary>
    public bool Shadow { get; init; }

    /// <summary>Whether a path passes.</summary>
    public bool Passes(string path)
    {
        foreach (var listed in Pass)
        {
            if (path.StartsWith(listed, StringComparison.Ordinal) && (path.Length == listed.Length || path[listed.Length] == '/')) return true;
        }

        return false;
    }

    /// <summary>Whether anything of a mount passes.</summary>
    /// <param name="mount">Its path, without slashes around it.</param>
    public bool PassesAnyOf(string mount) => Passes(mount) || Pass.Any(listed => listed.StartsWith(mount + "/", StringComparison.Ordinal));

    /// <summary>Whether a path may belong to the mount of one that passes: which part of a listed path is the mount is not known here, so the first counts.</summary>
    public bool PassesAtMountOf(string path)
    {
        var first = path.Split('/', 2)[0];
        return Pass.Any(listed => listed.StartsWith(first, StringComparison.Ordinal) && (listed.Length == first.Length || listed[first.Length] == '/'));
    }
}
