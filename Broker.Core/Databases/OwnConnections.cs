namespace Broker.Core.Databases;

/// <summary>What the broker's own connections are called, where databases show who is connected.</summary>
public static class OwnConnections
{
    /// <summary>PostgreSQL's <c>application_name</c>, MySQL's <c>program_name</c>, MongoDB's <c>appName</c>.</summary>
    public const string ProgramName = "broker";
}
