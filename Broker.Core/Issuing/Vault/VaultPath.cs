namespace Broker.Core.Issuing.Vault;

/// <summary>
/// A safe path after <c>/v1/</c>: no empty segment, no <c>.</c> or <c>..</c>, no control character;
/// everything else is escaped, so that nothing in a role's name can reach another endpoint.
/// </summary>
public sealed class VaultPath
{
    private VaultPath(string plain, string escaped) => (Plain, Escaped) = (plain, escaped);

    /// <summary>The form of policies and lease ids: <c>database/creds/orders-api</c>.</summary>
    public string Plain { get; }

    /// <summary>The form of URLs.</summary>
    public string Escaped { get; }

    /// <summary>Reads a path; a slash at either end is allowed and dropped.</summary>
    /// <exception cref="IssuerException"><see cref="IssuerFailure.Refused"/>: it is missing or not a safe path.</exception>
    public static VaultPath Parse(string? path)
    {
        var plain = path?.Trim('/') ?? "";
        var segments = plain.Split('/');
        if (!Array.TrueForAll(segments, IsSafe))
        {
            throw new IssuerException(
                IssuerFailure.Refused,
                $"'{path}' is not a Vault path. Use the form 'database/creds/NAME', without empty, '.' or '..' parts.");
        }

        return new VaultPath(plain, string.Join('/', segments.Select(Uri.EscapeDataString)));
    }

    /// <inheritdoc/>
    public override string ToString() => Plain;

    private static bool IsSafe(string segment) =>
        segment.Length > 0 && segment is not ("." or "..") && !segment.Any(char.IsControl);
}
