namespace Broker.Api.Fronts.Native.Description;

/// <summary>A refusal as the API writes it (RFC 9457).</summary>
/// <param name="Type">`urn:broker:refusal:` and the code.</param>
/// <param name="Title">A short text for the code, always the same.</param>
/// <param name="Status">The HTTP status.</param>
/// <param name="Code">One of the closed list of refusals; programs decide by it.</param>
/// <param name="Detail">What is wrong and what to do next, for people.</param>
/// <param name="TraceId">What the audit and the logs call this request.</param>
/// <param name="RetryAfterSeconds">When trying again helps, like the header Retry-After. Absent when it does not help.</param>
/// <param name="Free">With budget-exhausted: connections free now.</param>
/// <param name="CouldAskFor">With budget-exhausted: the most that a claim made now could be given.</param>
/// <param name="Capacity">With budget-exhausted: all connections that the broker may promise on the database.</param>
public sealed record ProblemShape(
    string Type, string Title, int Status, string Code, string Detail, string TraceId, long? RetryAfterSeconds = null,
    int? Free = null, int? CouldAskFor = null, int? Capacity = null);
