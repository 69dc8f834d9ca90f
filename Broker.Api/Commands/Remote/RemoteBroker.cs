using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Broker.Api.Commands.Remote;

/// <summary>A running broker, as the command line calls it: through the same API as everybody.</summary>
internal sealed class RemoteBroker(HttpClient client) : IDisposable
{
    /// <summary>The broker's JSON, as its API writes it; its texts as a terminal may show them.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Converters = { new PlainText() } };

    /// <summary>Creates a client.</summary>
    /// <param name="address">Its base address.</param>
    /// <param name="token">The caller's token.</param>
    public static RemoteBroker At(Uri address, string token)
    {
        var client = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(30) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        client.DefaultRequestHeaders.Accept.Add(new("application/json"));
        return new(client);
    }

    /// <summary>Reads an address.</summary>
    /// <exception cref="RemoteException">The broker refused, or does not answer.</exception>
    public Task<JsonNode> GetAsync(string path, CancellationToken cancellation) => SendAsync(HttpMethod.Get, path, null, cancellation);

    /// <summary>Sends an order, or a question with a body. The answer is null where it has no body.</summary>
    /// <exception cref="RemoteException">The broker refused, or does not answer.</exception>
    public async Task<JsonNode> SendAsync(HttpMethod method, string path, object? body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
        if (body is not null) request.Content = JsonContent.Create(body, options: Json);
        try
        {
            using var answer = await client.SendAsync(request, cancellation);
            var text = await answer.Content.ReadAsStringAsync(cancellation);
            if (answer.IsSuccessStatusCode) return text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!;
            throw new RemoteException(WordsOf((int)answer.StatusCode, text));
        }
        catch (HttpRequestException e)
        {
            throw new RemoteException($"{client.BaseAddress} does not answer: {e.Message}");
        }
        catch (TaskCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new RemoteException($"{client.BaseAddress} did not answer within {client.Timeout.TotalSeconds:0} s.");
        }
        catch (JsonException)
        {
            throw new RemoteException($"{client.BaseAddress} does not answer like a broker. Is the address right?");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();

    private static string WordsOf(int status, string text)
    {
        try
        {
            var problem = JsonNode.Parse(text);
            if (problem?["detail"] is { } detail) return string.Create(CultureInfo.InvariantCulture, $"{problem["code"] ?? status}: {detail}");
        }
        catch (JsonException)
        {
            // The body is not the broker's, perhaps a proxy's: the status says enough.
        }

        return string.Create(CultureInfo.InvariantCulture, $"The broker answered with status {status}.");
    }
}

/// <summary>The broker refused or did not answer; the message is for people.</summary>
internal sealed class RemoteException(string message) : Exception(message);
