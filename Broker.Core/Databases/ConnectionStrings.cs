using Broker.Core.Model;

namespace Broker.Core.Databases;

/// <summary>A grant's connection strings: drivers interpret the same words differently, so there is a string for each driver in common use.</summary>
/// <param name="Servers">Where they connect to, one or more.</param>
/// <param name="Drivers">The strings by driver, in the order in which they are shown.</param>
public sealed record ConnectionStrings(IReadOnlyList<ServerAddress> Servers, IReadOnlyList<DriverString> Drivers)
{
    /// <summary>For MongoDB, the string is the same for each kind of member; for other engines, each kind has its driver.</summary>
    public required Aliases Named { get; init; }

    /// <summary>The URI that most drivers read (PostgreSQL: libpq's; MySQL: Node's mysql2); null when there is none.</summary>
    public string? Uri => Of(Named.Uri);

    /// <summary>For ADO.NET, with the pool capped at the granted connections; .NET's drivers can express everything.</summary>
    public string AdoNet => Of(Named.AdoNet)!;

    /// <summary>For JDBC.</summary>
    public string? Jdbc => Of(Named.Jdbc);

    /// <summary>For Go's usual driver (pgx and lib/pq, go-sql-driver/mysql, mongo-go-driver).</summary>
    public string? Go => Of(Named.Go);

    /// <summary>For Python: an SQLAlchemy URL, or PyMongo's URI.</summary>
    public string? Python => Of(Named.Python);

    /// <summary>The string of a driver; null when it can have none.</summary>
    public string? Of(string driver) => Drivers.FirstOrDefault(one => one.Driver == driver)?.Text;

    /// <summary>The drivers whose strings the five kinds of client get.</summary>
    public sealed record Aliases(string Uri, string AdoNet, string Jdbc, string Go, string Python);
}

/// <summary>The string that one driver connects with.</summary>
/// <param name="Driver">Its name, as its users know it.</param>
/// <param name="Text">The string; null when no string can express what is needed: the note says why, and what to do in code.</param>
/// <param name="Note">What the string cannot express; null: it expresses everything.</param>
public sealed record DriverString(string Driver, string? Text, string? Note);

/// <summary>Writes the parts of connection strings.</summary>
internal static class StringParts
{
    /// <summary>The note for a certificate that the administrator shows and pods do not have.</summary>
    public const string NoCertificate = "The broker presents a client certificate to this server; pods that need one get it from Pods:CertificateFile and KeyFile in the broker's configuration.";

    /// <summary>The note for an authority that the administrator believes and pods are not told of.</summary>
    public const string NoAuthority = "The broker trusts its own certificate authority for this server; pods get theirs from Pods:CaFile in the broker's configuration, or from their machine.";

    /// <summary>Everything but letters, digits and <c>- . _ ~</c> as percent-encoded UTF-8.</summary>
    public static string Escaped(string value) => Uri.EscapeDataString(value);

    /// <summary>Like <see cref="Escaped"/>, but slashes stay: a query may contain them (RFC 3986, 3.4).</summary>
    public static string QueryEscaped(string value) => Escaped(value).Replace("%2F", "/", StringComparison.Ordinal);

    /// <summary>A query, with its question mark; empty when it has no options. Options without a value are left out.</summary>
    public static string Query(params IEnumerable<(string Key, string? Value)> options)
    {
        var query = string.Join('&', options.Where(option => option.Value is not null).Select(option => $"{option.Key}={QueryEscaped(option.Value!)}"));
        return query.Length == 0 ? "" : "?" + query;
    }

    /// <summary>Notes as one text; null when there are none.</summary>
    public static string? Notes(params IEnumerable<string?> notes) =>
        string.Join(' ', notes.Where(note => note is not null)) is { Length: > 0 } text ? text : null;

    /// <summary>Whether a WHATWG URL's path can carry a name: it drops segments of dots, even percent-encoded ones.</summary>
    public static bool FitsUrlPath(string name) => !name.Split('/').Any(segment => segment is "." or "..");
}
