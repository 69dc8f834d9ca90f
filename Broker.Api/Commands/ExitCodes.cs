namespace Broker.Api.Commands;

/// <summary>What a command ends with (docs/configuration.md). A pipeline decides by it, so it is the same however the answer is printed.</summary>
internal static class ExitCodes
{
    /// <summary>Everything went well, or the answer is yes.</summary>
    public const int Done = 0;

    /// <summary>The answer is no.</summary>
    public const int No = 1;

    /// <summary>There is no answer: the command line or a file is wrong, the broker refuses or does not answer.</summary>
    public const int NoAnswer = 2;
}
