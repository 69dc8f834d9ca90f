namespace LoadTests.FromInside.Capacity;

/// <summary>One replica's claims on one database on their way to Redis: what comes while a round trip is under way shares the next one, as <c>SharedTrips</c> of the broker has it.</summary>
/// <param name="send">Takes a batch there and back; then the next may go.</param>
internal sealed class ModelTrips(Action<IReadOnlyList<ModelPod>, Action> send)
{
    /// <summary>As in the broker.</summary>
    public const int MostInBatch = 256;

    private readonly Queue<ModelPod> waiting = new();
    private bool underWay;

    public void Ask(ModelPod pod)
    {
        waiting.Enqueue(pod);
        if (!underWay) Send();
    }

    private void Send()
    {
        underWay = waiting.Count > 0;
        if (!underWay) return;
        var batch = new List<ModelPod>(Math.Min(waiting.Count, MostInBatch));
        while (batch.Count < MostInBatch && waiting.TryDequeue(out var next)) batch.Add(next);
        send(batch, Send);
    }
}
