using Broker.Core.Model;

namespace Broker.Api.Fronts.Vault.Wire;

/// <summary>An error in Vault's shape: a status and <c>{"errors": […]}</c>.</summary>
internal sealed class VaultError(int status, params string[] errors) : Exception(errors.Length > 0 ? errors[0] : "nothing there")
{
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);

    public int Status => status;

    public IReadOnlyList<string> Errors => errors;

    /// <summary>
    /// When trying again helps; null if it does not. Ten seconds at most: Go's client waits as long as it is told within the minute that a request may take
    /// with all its tries, and has no reason to show when that is over (api/client.go, go-retryablehttp). Asking again costs nothing (law L12).
    /// </summary>
    public TimeSpan? RetryAfter
    {
        get;
        init => field = value > LongestRetry ? LongestRetry : value;
    }

    /// <summary>Whether it is already in the audit.</summary>
    public bool IsAudited { get; init; }

    /// <summary>Whether the request was refused because it proves nobody.</summary>
    public bool ProvesNobody { get; init; }

    /// <summary>The broker's own refusal that it expresses; null: it belongs to the protocol.</summary>
    public Refusal? Refusal { get; init; }

    /// <summary>The requested role; null: none is known.</summary>
    public string? Role { get; init; }

    /// <summary>Vault lists refusals of its core as Go errors, and gives those of a plugin plainly (recordings, 13 and 16).</summary>
    public static VaultError PermissionDenied() => new(403, "1 error occurred:\n\t* permission denied\n\n");

    /// <summary>No token (recordings, 14).</summary>
    public static VaultError NoToken() => new(403, "permission denied") { ProvesNobody = true };

    /// <summary>
    /// What Vault says since 1.17 of a token that has ended, was revoked or never was. Its Agent and Proxy log in again at the last two words
    /// (hashicorp/vault command/agent/template/template.go); OpenBao 2.5 does not say them (recordings, 15).
    /// </summary>
    public const string TokenIsOver = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";

    /// <summary>A token that proves nobody.</summary>
    public static VaultError InvalidToken() => new(403, TokenIsOver) { ProvesNobody = true };

    public static VaultError UnsupportedOperation() => new(405, "1 error occurred:\n\t* unsupported operation\n\n");

    /// <summary>An unknown verb, if Vault says no more (OpenBao http/sys_health.go, http/logical.go).</summary>
    public static VaultError NoSuchMethod() => new(405);

    /// <summary>An unknown path below an existing mount (OpenBao sdk/framework/backend.go).</summary>
    public static VaultError UnsupportedPath() => new(404, "1 error occurred:\n\t* unsupported path\n\n");

    public static VaultError NoHandler(string path) => new(404, $"no handler for route \"{path}\". route entry not found.");

    public static VaultError NothingThere() => new(404);

    public static VaultError Bad(string error) => new(400, error);
}
