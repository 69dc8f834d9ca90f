namespace Broker.Core.Databases;

/// <summary>How soon somebody should look.</summary>
public enum FindingKind
{
    /// <summary>Good to know.</summary>
    Notice,

    /// <summary>It will become a problem some day.</summary>
    Warning,

    /// <summary>It is a problem now, or will be with the next users.</summary>
    Critical,
}

/// <summary>Something that a DBA should know about a database as a place for users that come and go.</summary>
/// <param name="Kind">How soon somebody should look.</param>
/// <param name="Title">What it is, in a few words.</param>
/// <param name="Words">The facts and their consequences, in a DBA's terms.</param>
/// <param name="Sql">The SQL that fixes it, for a DBA to read and adapt; null when SQL cannot.</param>
public sealed record Finding(FindingKind Kind, string Title, string Words, string? Sql);
