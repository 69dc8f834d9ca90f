using System.Globalization;
using Broker.Core.Catalog;
using MongoDB.Driver;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// The options of a MongoDB URI as written, because the driver ignores those that are not for it, such as files of
/// certificates: https://www.mongodb.com/docs/manual/reference/connection-string-options/. Names may be in any case, and those
/// that only .NET's driver has are read under the names that all drivers use.
/// </summary>
internal sealed class UriOptions
{
    private readonly Dictionary<string, string> values = new(StringComparer.OrdinalIgnoreCase);

    private readonly List<(string Name, string Value)> repeated = [];

    // https://www.mongodb.com/docs/drivers/csharp/current/connect/connection-options/: with times such as 5s, too.
    private static readonly (string Name, string[] Older, Func<MongoUrl, string?> Read)[] DotNetsOwn =
    [
        ("journal", ["j"], url => url.Journal is { } journal ? journal ? "true" : "false" : null),
        ("wtimeoutMS", ["wtimeout"], url => Milliseconds(url.WTimeout)),
        ("maxStalenessSeconds", ["maxStaleness"], url => url.ReadPreference?.MaxStaleness is { } longest ? ((long)longest.TotalSeconds).ToString(CultureInfo.InvariantCulture) : null),
        ("localThresholdMS", ["localThreshold", "secondaryAcceptableLatency", "secondaryAcceptableLatencyMS"], url => Milliseconds(url.LocalThreshold)),
        ("tlsInsecure", ["sslVerifyCertificate"], url => url.AllowInsecureTls ? "true" : "false"),
    ];

    private UriOptions(bool seed) => IsSeed = seed;

    /// <summary>Whether it is <c>mongodb+srv</c>, where TLS is the default.</summary>
    public bool IsSeed { get; }

    /// <summary>An option's value; null when it is not there.</summary>
    public string? this[string name] => values.GetValueOrDefault(name);

    /// <summary>Those of the administrator's URI.</summary>
    /// <exception cref="DatabaseException">It cannot be understood.</exception>
    public static UriOptions Of(Database database)
    {
        var (url, uri) = (AdminClients.Settings(database), database.AdminConnectionString.Reveal());
        var options = new UriOptions(uri.StartsWith("mongodb+srv:", StringComparison.OrdinalIgnoreCase));
        void Add(string name, string value)
        {
            options.values.TryAdd(name, value);
            options.repeated.Add((name, value));
        }

        // A password has no unescaped question mark: the driver refuses it.
        var query = uri.IndexOf('?', StringComparison.Ordinal);
        if (query < 0) return options;
        foreach (var option in uri[(query + 1)..].Split('&', ';'))
        {
            var equals = option.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0) continue;
            Add(option[..equals], Uri.UnescapeDataString(option[(equals + 1)..]));
        }

        foreach (var (name, older, read) in DotNetsOwn)
        {
            if (options[name] is null && older.Any(options.values.ContainsKey) && read(url) is { } value) Add(name, value);
        }

        return options;
    }

    /// <summary>All values of an option that may be written several times, in their order.</summary>
    public IEnumerable<string> All(string name) => repeated.Where(option => option.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(option => option.Value);

    /// <summary>How far it encrypts. MongoDB has nothing between TLS and none; the default is none.</summary>
    public PodSslMode? Ssl =>
        (this["tls"] ?? this["ssl"]) is { } said
            ? Is(said) ? WithTls : PodSslMode.Disable
            : IsSeed || this["tlsCAFile"] is not null || this["tlsCertificateKeyFile"] is not null || Is(this["tlsInsecure"]) ? WithTls : null;

    /// <summary>Whether it demands a check that a server's certificate was not revoked; by default it does not.</summary>
    public bool LooksUpRevocations => this["tlsDisableCertificateRevocationCheck"] is { } not && !Is(not);

    private PodSslMode WithTls =>
        Is(this["tlsInsecure"]) || Is(this["tlsAllowInvalidCertificates"]) ? PodSslMode.Require
        : Is(this["tlsAllowInvalidHostnames"]) ? PodSslMode.VerifyCA
        : PodSslMode.VerifyFull;

    private static string? Milliseconds(TimeSpan? time) => time is { } span ? ((long)span.TotalMilliseconds).ToString(CultureInfo.InvariantCulture) : null;

    public static bool Is(string? value) => string.Equals(value, "true", StringComparison.OrdinalIgnoreCase);
}
