namespace Broker.Core.Model;

/// <summary>Who may share one lease of a role.</summary>
public enum SharingScope
{
    /// <summary>Every caller that may have the role (the default).</summary>
    Role,

    /// <summary>Callers of one workload: one service account, one pipeline, one subject.</summary>
    Workload,

    /// <summary>Nobody: each holder has a lease, and so a database user, of its own.</summary>
    Holder,
}
