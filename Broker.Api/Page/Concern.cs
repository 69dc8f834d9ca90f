namespace Broker.Api.Page;

/// <summary>How urgently a database needs attention, the most urgent first.</summary>
public enum Concern
{
    /// <summary>Its connections cannot be counted, so that nothing new is promised.</summary>
    Uncounted,

    /// <summary>Somebody waits, or more is promised than allowed.</summary>
    Contended,

    /// <summary>Nothing is free.</summary>
    Full,

    /// <summary>Something else needs fixing: a duty that fails, a user that cannot be dropped, more open than granted, a role that is paused.</summary>
    Degraded,

    /// <summary>Less than 15 % of what may be promised is free.</summary>
    Filling,

    /// <summary>None of these.</summary>
    Quiet,
}
