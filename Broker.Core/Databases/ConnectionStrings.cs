using Broker.Core.Model;

namespace Broker.Core.Databases;

/// <summary>A grant's connection strings: drivers read the same words differently, so there is one for each that is really used.</summary>
/// <param name="Servers">Where they connect to, one or more.</param>
/// <param name="Drivers">The strings by driver, in the order in which they are shown.</param>
public sealed record ConnectionStrings(IReadOnlyList<ServerAddress> Servers, IReadOnlyList<DriverString> Drivers)
{
    /// <summary>Of MongoDB, a string is the same for each kind of member; of others, each kind has its driver.</summary>
    public required Aliases Named { get; init; }

    /// <summary>The URI that most drivers read (PostgreSQL: libpq's; MySQL: Node's mysql2); null when there is none.</summary>
    public string? Uri => Of(Named.Uri);

    /// <summary>For ADO.NET, with the pool capped at the granted connections; .NET's drivers can say all there is.</summary>
    public string AdoNet => Of(Named.AdoNet)!;

    /// <summary>For JDBC.</summary>
    public string? Jdbc => Of(Named.Jdbc);

    /// <summary>For Go's usual driver (pgx and lib/pq, go-sql-driver/mysql, mongo-go-driver).</summary>
    public string? Go => Of(Named.Go);

    /// <summary>For Python: an SQLAlchemy URL, or PyMongo's URI.</summary>
    public string? Python => Of(Named.Python);

    /// <summary>The string of a driver; null when it can have none.</summary>
    public string? Of(string driver) => Drivers.FirstOrDefault(one => one.Driver == driver)?.Text;

    /// <summary>Which drivers' strings stand for the five kinds of client.</summary>
    public sealed record Aliases(string Uri, string AdoNet, string Jdbc, string Go, string Python);
}

/// <summary>What one driver connects with.</summary>
/// <param name="Driver">Its name, as its users know it.</param>
/// <param name="Text">The string; null when none can say what is needed: the note tells why, and what to do in code.</param>
/// <param name="Note">What the string cannot say; null: it says everything.</param>
public sealed record DriverString(string Driver, string? Text, string? Note);

/// <summary>Writes the parts of connection strings.</summary>
internal static class StringParts
{
    /// <summary>The note where the administrator shows a certificate and pods have none.</summary>
    public const string NoCertificate = "The broker presents a client certificate to this server; pods that need one get it from Pods:CertificateFile and KeyFile in the broker's configuration.";

    /// <summary>The note where the administrator believes an authority that pods are not told of.</summary>
    public const string NoAuthority = "The broker trusts its own certificate authority for this server; pods get theirs from Pods:CaFile in the broker's configuration, or from their machine.";

    /// <summary>Everything but letters, digits and <c>- . _ ~</c> as percent-encoded UTF-8.</summary>
    public static string Escaped(string value) => Uri.EscapeDataString(value);

    /// <summary>As <see cref="Escaped"/>, but slashes stay: in a query nobody takes them for anything else (RFC 3986, 3.4).</summary>
    public static string QueryEscaped(string value) => Escaped(value).Replace("%2F", "/", StringComparison.Ordinal);

    /// <summary>A query, with its question mark; empty when nothing is in it. Options without a value are left out.</summary>
    public static string Query(params IEnumerable<(string Key, string? Value)> options)
    {
        var query = string.Join('&', options.Where(option => option.Value is not null).Select(option => $"{option.Key}={QueryEscaped(option.Value!)}"));
        return query.Length == 0 ? "" : "?" + query;
    }

    /// <summary>Notes as one text; null when there are none.</summary>
    public static string? Notes(params IEnumerable<string?> notes) =>
        string.Join(' ', notes.Where(note => note is not null)) is { Length: > 0 } text ? text : null;

    /// <summary>Whether a WHATWG URL's path can carry a name: it drops segments of dots, written with percent signs too.</summary>
    public static bool FitsUrlPath(string name) => !name.Split('/').Any(segment => segment is "." or "..");
}
