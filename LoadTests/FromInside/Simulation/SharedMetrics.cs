using System.Diagnostics.Metrics;
using Broker.Core.Leases;

namespace LoadTests.FromInside.Simulation;

/// <summary>One set of instruments for all simulated replicas: nobody reads them, and a process never forgets a meter.</summary>
internal static class SharedMetrics
{
    public static BrokerMetrics Instance { get; } = new(new Factory());

    private sealed class Factory : IMeterFactory
    {
        public Meter Create(MeterOptions options) => new(options);

        public void Dispose()
        {
        }
    }
}
