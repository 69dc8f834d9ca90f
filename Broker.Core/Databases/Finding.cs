namespace Broker.Core.Databases;

/// <summary>How soon somebody should look.</summary>
public enum FindingKind
{
    /// <summary>Good to know.</summary>
    Notice,

    /// <summary>It will be trouble one day.</summary>
    Warning,

    /// <summary>It is trouble now, or will be with the next users.</summary>
    Critical,
}

/// <summary>What somebody should know of a database as a place for users that come and go.</summary>
/// <param name="Kind">How soon somebody should look.</param>
/// <param name="Title">What it is, in a few words.</param>
/// <param name="Words">What is so, and what comes of it, in a DBA's words.</param>
/// <param name="Sql">What mends it, to be read and adapted by a DBA; null: nothing that SQL could.</param>
public sealed record Finding(FindingKind Kind, string Title, string Words, string? Sql);
