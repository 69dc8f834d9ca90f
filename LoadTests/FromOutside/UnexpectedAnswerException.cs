namespace LoadTests.FromOutside;

/// <summary>A broker answered otherwise than a load test needs in order to go on; its message is meant for people.</summary>
internal sealed class UnexpectedAnswerException(string message) : Exception(message);
