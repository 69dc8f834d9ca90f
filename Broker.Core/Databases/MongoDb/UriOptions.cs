using Broker.Core.Catalog;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// The options of a MongoDB URI as they are written, because the driver passes over those that are not for it, files of
/// certificates among them: https://www.mongodb.com/docs/manual/reference/connection-string-options/. Names may be in any case.
/// </summary>
internal sealed class UriOptions
{
    private readonly Dictionary<string, string> values = new(StringComparer.OrdinalIgnoreCase);

    private readonly List<(string Name, string Value)> repeated = [];

    private UriOptions(bool seed) => IsSeed = seed;

    /// <summary>Whether it is <c>mongodb+srv</c>, where TLS is the default.</summary>
    public bool IsSeed { get; }

    /// <summary>An option's value; null when it is not there.</summary>
    public string? this[string name] => values.GetValueOrDefault(name);

    public static UriOptions Of(string uri)
    {
        var options = new UriOptions(uri.StartsWith("mongodb+srv:", StringComparison.OrdinalIgnoreCase));
        // No password has a question mark that is not escaped: the driver refuses it.
        var query = uri.IndexOf('?', StringComparison.Ordinal);
        if (query < 0) return options;
        foreach (var option in uri[(query + 1)..].Split('&', ';'))
        {
            var equals = option.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0) continue;
            var (name, value) = (option[..equals], Uri.UnescapeDataString(option[(equals + 1)..]));
            options.values.TryAdd(name, value);
            options.repeated.Add((name, value));
        }

        return options;
    }

    /// <summary>All values of an option that may be written several times, in their order.</summary>
    public IEnumerable<string> All(string name) => repeated.Where(option => option.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(option => option.Value);

    /// <summary>How far it encrypts. MongoDB has nothing between TLS and none; where nothing is said, there is none.</summary>
    public PodSslMode? Ssl =>
        (this["tls"] ?? this["ssl"]) is { } said
            ? Is(said) ? WithTls : PodSslMode.Disable
            : IsSeed || this["tlsCAFile"] is not null || this["tlsCertificateKeyFile"] is not null || Is(this["tlsInsecure"]) ? WithTls : null;

    private PodSslMode WithTls =>
        Is(this["tlsInsecure"]) || Is(this["tlsAllowInvalidCertificates"]) ? PodSslMode.Require
        : Is(this["tlsAllowInvalidHostnames"]) ? PodSslMode.VerifyCA
        : PodSslMode.VerifyFull;

    public static bool Is(string? value) => string.Equals(value, "true", StringComparison.OrdinalIgnoreCase);
}
