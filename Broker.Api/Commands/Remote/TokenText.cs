namespace Broker.Api.Commands.Remote;

/// <summary>A token as a command line names it: <c>-</c> for standard input, <c>@FILE</c> for a file, else itself.</summary>
internal static class TokenText
{
    /// <exception cref="IOException">The file cannot be read, or there is no token in it: a token is one line.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static async Task<string> ReadAsync(string named, CancellationToken cancellation)
    {
        var text = named == "-" ? await Console.In.ReadToEndAsync(cancellation)
            : named.StartsWith('@') ? await File.ReadAllTextAsync(named[1..], cancellation) : named;
        return text.Trim() is { Length: > 0 } token && !token.Any(char.IsControl)
            ? token
            : throw new IOException($"There is no token in {(named == "-" ? "standard input" : named.StartsWith('@') ? named[1..] : "--token")}: a token is one line of text.");
    }
}
