namespace Broker.Core.Catalog;

/// <summary>The validating admission webhook for Kubernetes.</summary>
public sealed record AdmissionSettings
{
    /// <summary>What it does with a workload that does not fit (default <see cref="AdmissionMode.Off"/>: there is no webhook).</summary>
    public AdmissionMode Mode { get; init; }
}

/// <summary>What is done with a workload that does not fit.</summary>
public enum AdmissionMode
{
    /// <summary>There is no webhook.</summary>
    Off,

    /// <summary>It is admitted with a warning.</summary>
    Warn,

    /// <summary>It is refused.</summary>
    Refuse,
}
