namespace Broker.Api.Page;

/// <summary>How much a database wants to be looked at, the worst first.</summary>
public enum Concern
{
    /// <summary>Its connections cannot be counted, so that nothing new is promised.</summary>
    Uncounted,

    /// <summary>Somebody waits, or more is promised than there may be.</summary>
    Wanting,

    /// <summary>Nothing is free.</summary>
    Full,

    /// <summary>Something else is for somebody to mend: a duty that fails, a user that cannot be dropped, more open than granted, a role that is paused.</summary>
    Unwell,

    /// <summary>Less than 15 % of what may be promised is free.</summary>
    Filling,

    /// <summary>None of these.</summary>
    Quiet,
}
