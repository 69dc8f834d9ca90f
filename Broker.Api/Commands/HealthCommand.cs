using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.Security;
using Broker.Api.Commands.Remote;

namespace Broker.Api.Commands;

/// <summary><c>broker health</c>: asks the broker on this machine whether it is ready, for images that have no shell and no curl.</summary>
internal static class HealthCommand
{
    private const int FallbackPort = 8080;

    public static Command Create()
    {
        var address = AddressOption.Create("Where the broker listens. Default: the first port of ASPNETCORE_HTTPS_PORTS, ASPNETCORE_HTTP_PORTS or ASPNETCORE_URLS on 127.0.0.1.");
        var live = new Option<bool>("--live") { Description = "Ask whether the process runs, not whether it takes requests." };
        var seconds = NumberOption.Create("--timeout", "Seconds to wait for the answer", standard: 3, least: 1, most: 60);
        var command = new Command("health", "Tells whether the broker on this machine is ready. Exit code 0: it is; 1: it is not, or does not answer, and the reason is printed.") { address, live, seconds };
        command.SetAction((result, cancellation) => RunAsync(
            result.GetValue(address) ?? OwnAddress(Environment.GetEnvironmentVariable),
            result.GetValue(live) ? "/health/live" : "/health/ready",
            TimeSpan.FromSeconds(result.GetValue(seconds)),
            cancellation));
        return command;
    }

    /// <summary>Where a broker with these environment variables listens, seen from its own machine.</summary>
    internal static Uri OwnAddress(Func<string, string?> variable)
    {
        if (FirstOf(variable("ASPNETCORE_HTTPS_PORTS")) is { } https) return Loopback("https", https);
        if (FirstOf(variable("ASPNETCORE_HTTP_PORTS")) is { } http) return Loopback("http", http);
        if (FirstOf(variable("ASPNETCORE_URLS")) is not { } url) return Loopback("http", FallbackPort.ToString(CultureInfo.InvariantCulture));
        // "http://+:8080" is not an address that a client understands.
        var binding = BindingAddress.Parse(url);
        return Loopback(binding.Scheme, binding.Port.ToString(CultureInfo.InvariantCulture));
    }

    private static string? FirstOf(string? list) => list?.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).FirstOrDefault();

    private static Uri Loopback(string scheme, string port) => new($"{scheme}://127.0.0.1:{port}");

    [SuppressMessage("Security", "CA5359", Justification = "The certificate names the service, not the loopback address, and nothing secret is sent.")]
    private static async Task<int> RunAsync(Uri address, string path, TimeSpan timeout, CancellationToken cancellation)
    {
        using var handler = new SocketsHttpHandler { UseProxy = false, SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = static (_, _, _, _) => true } };
        using var client = new HttpClient(handler) { Timeout = timeout };
        try
        {
            using var answer = await client.GetAsync(new Uri(address, path), cancellation);
            if (answer.IsSuccessStatusCode) return ExitCodes.Done;
            await Console.Error.WriteLineAsync($"{address}: {(int)answer.StatusCode} {PlainText.Of(await answer.Content.ReadAsStringAsync(cancellation))}");
        }
        catch (HttpRequestException e)
        {
            await Console.Error.WriteLineAsync($"{address} does not answer: {e.Message}");
        }
        catch (TaskCanceledException) when (!cancellation.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync($"{address} did not answer within {timeout.TotalSeconds:0} s.");
        }

        // Whoever asks for the health of a broker that does not answer has an answer; of 0 and 1 alone Docker knows what they mean.
        return ExitCodes.No;
    }
}
