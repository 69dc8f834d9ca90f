namespace Broker.Core.Databases;

/// <summary>The name of the broker's own connections, where databases show who is connected.</summary>
public static class OwnConnections
{
    /// <summary>PostgreSQL's <c>application_name</c>, MySQL's <c>program_name</c>, MongoDB's <c>appName</c>.</summary>
    public const string ProgramName = "broker";
}
