using System.CommandLine;

namespace Broker.Api.Commands.Remote;

/// <summary>An option that names where a broker listens.</summary>
internal static class AddressOption
{
    public static Option<Uri?> Create(string description) => new("--address")
    {
        Description = description,
        CustomParser = result =>
        {
            if (Read(result.Tokens.Single().Value) is { } address) return address;
            result.AddError("--address must be an http or https address, such as https://broker.broker.svc.");
            return null;
        },
    };

    /// <summary>The address; null when the text is not one.</summary>
    public static Uri? Read(string text) => Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? address : null;
}
