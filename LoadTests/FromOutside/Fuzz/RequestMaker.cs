using System.Buffers.Text;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace LoadTests.FromOutside.Fuzz;

/// <summary>An address as the broker's own description lists it.</summary>
internal sealed record FuzzEndpoint(string Method, string Path);

/// <summary>
/// Makes request number N of a seed: the same every time. Of three, one is right, one nearly right and one hostile, in each of
/// its parts.
/// </summary>
internal sealed class RequestMaker(int seed, IReadOnlyList<FuzzEndpoint> endpoints, IReadOnlyList<FuzzCaller> callers, Func<FuzzCaller, string?> ownHolder, bool asksAlike = false)
{
    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"];

    private static readonly FuzzEndpoint Claim = new("POST", "/api/v1/roles/{role}/credentials");

    // What API servers and Vault's clients ask.
    private static readonly FuzzEndpoint[] OfOthers =
    [
        new("POST", "/kubernetes/admission"), new("PUT", "/v1/auth/kubernetes/login"), new("GET", "/v1/auth/token/lookup-self"), new("PUT", "/v1/auth/token/renew-self"),
        new("GET", "/v1/database/creds/{role}"), new("PUT", "/v1/sys/leases/renew"), new("PUT", "/v1/sys/wrapping/unwrap"), new("PUT", "/v1/sys/wrapping/rewrap"),
    ];

    /// <summary>The addresses that a description lists, the page's, and some of those that others' clients ask.</summary>
    public static IReadOnlyList<FuzzEndpoint> Read(JsonObject openApi) =>
    [
        .. openApi["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject().Select(method => new FuzzEndpoint(method.Key.ToUpperInvariant(), path.Key))),
        new("GET", "/"), new("GET", "/page.js"), new("GET", "/page.css"), new("GET", "/metrics"), new("GET", "/openapi/v1.json"),
        .. OfOthers,
    ];

    public (FuzzCaller Caller, HttpRequestMessage Request) Make(long number)
    {
        var random = new Random(unchecked((int)(seed * 1_000_003L + number * 7919)));
        // The one address that gives something away is asked most.
        var endpoint = random.Next(3) == 0 && !asksAlike ? Claim : endpoints[random.Next(endpoints.Count)];
        var caller = callers[random.Next(callers.Count)];
        var method = random.Next(20) == 0 ? Methods[random.Next(Methods.Length)] : endpoint.Method;
        var request = new HttpRequestMessage(new HttpMethod(method), new Uri(Path(random, endpoint, caller), UriKind.Relative));
        AddToken(random, request, caller);
        if (random.Next(3) > 0 || endpoint.Path.EndsWith("/credentials", StringComparison.Ordinal))
            request.Headers.TryAddWithoutValidation("Prefer", Dictionary.Waits[random.Next(3) == 0 ? random.Next(Dictionary.Waits.Length) : 0]);
        if (random.Next(15) == 0) request.Headers.TryAddWithoutValidation("X-Forwarded-For", Text(random));
        if (random.Next(15) == 0) request.Headers.TryAddWithoutValidation("traceparent", random.Next(2) == 0 ? "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" : Text(random));
        if (random.Next(30) == 0) request.Headers.TryAddWithoutValidation("X-" + random.Next(1000), new string('h', random.Next(8000)));
        if (random.Next(20) == 0) request.Headers.TryAddWithoutValidation("Accept", "text/html");
        if (method is not ("GET" or "HEAD" or "TRACE") || random.Next(20) == 0) AddBody(random, request);
        return (caller, request);
    }

    private string Path(Random random, FuzzEndpoint endpoint, FuzzCaller caller)
    {
        var path = new StringBuilder();
        foreach (var segment in endpoint.Path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            path.Append('/').Append(segment.StartsWith('{') ? Uri.EscapeDataString(Value(random, segment, caller)) : random.Next(200) == 0 ? Uri.EscapeDataString(Text(random)) : segment);
        if (path.Length == 0) path.Append('/');
        if (random.Next(10) == 0) path.Append('?').Append(Uri.EscapeDataString(Text(random))).Append('=').Append(Uri.EscapeDataString(Text(random)));
        if (random.Next(20) == 0) path.Append("?database=orders");
        return path.ToString();
    }

    private string Value(Random random, string parameter, FuzzCaller caller) => random.Next(4) switch
    {
        0 or 3 => parameter switch
        {
            "{role}" => caller.Roles.Length > 0 ? caller.Roles[random.Next(caller.Roles.Length)] : "orders-api",
            "{database}" => "orders",
            // Its own, or one that it could have and has not: there are as many of those as anybody likes.
            _ when ownHolder(caller) is { } own => random.Next(2) == 0 ? own : own[..Math.Min(own.Length, own.IndexOf('.', StringComparison.Ordinal) + 17)] + Letters(random, 12),
            _ => "orders-api.AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        },
        1 when ownHolder(callers[random.Next(callers.Count)]) is { } foreign => random.Next(2) == 0 ? foreign : Mutated(random, foreign),
        _ => Text(random) is { Length: > 0 } text ? text : "x",
    };

    private static void AddToken(Random random, HttpRequestMessage request, FuzzCaller caller)
    {
        var token = caller.Token;
        if (token is not null && random.Next(6) == 0)
        {
            token = random.Next(8) switch
            {
                0 => Mutated(random, token),
                1 => token[..random.Next(token.Length)],
                2 => Text(random),
                3 => string.Join('.', token.Split('.').Reverse()),
                4 => "brs_" + Letters(random, 16) + "_" + Letters(random, 43),
                5 => "bra_" + Letters(random, 80),
                6 => Unsigned(random, token),
                _ => new string('x', random.Next(20_000)),
            };
        }

        if (token is null && random.Next(2) == 0) return;
        request.Headers.TryAddWithoutValidation("Authorization", random.Next(30) == 0 ? "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("x:" + token)) : "Bearer " + token);
    }

    private void AddBody(Random random, HttpRequestMessage request)
    {
        var text = random.Next(4) switch
        {
            0 or 3 => Right(random),
            1 => Mutated(random, Right(random)),
            _ => random.Next(7) switch
            {
                0 => new string('[', random.Next(5000)),
                1 => new string(' ', random.Next(20_000)),
                2 => Text(random),
                3 => "{\"holder\":\"" + new string('a', random.Next(20_000)) + "\"}",
                5 => $"{{\"{(random.Next(3) == 0 ? HalfLetter(random) : "reason")}\":\"{HalfLetter(random)}\"}}",
                4 => "{\"connections\":" + Dictionary.Numbers[random.Next(Dictionary.Numbers.Length)] + "}",
                _ => string.Concat(Enumerable.Repeat("{\"a\":", random.Next(300))),
            },
        };
        var bytes = Encoding.UTF8.GetBytes(text);
        if (random.Next(10) == 0 && bytes.Length > 0) bytes[random.Next(bytes.Length)] = 0xff;
        request.Content = new ByteArrayContent(bytes);
        var type = random.Next(5) == 0 ? Dictionary.MediaTypes[random.Next(Dictionary.MediaTypes.Length)] : "application/json";
        if (MediaTypeHeaderValue.TryParse(type, out var parsed)) request.Content.Headers.ContentType = parsed;
    }

    private string Right(Random random) => random.Next(9) switch
    {
        7 => Review(random),
        8 => new JsonObject { ["token"] = "hvs." + Letters(random, 43), ["role"] = Text(random), ["jwt"] = Text(random), ["lease_id"] = Text(random) }.ToJsonString(),
        0 or 6 => "{\"connections\":1}",
        1 => "{\"connections\":1,\"minConnections\":1}",
        2 => string.Create(CultureInfo.InvariantCulture, $"{{\"holder\":\"h{random.Next(20)}\",\"connections\":1}}"),
        3 => "{\"reason\":\"fuzzing\"}",
        4 => string.Create(CultureInfo.InvariantCulture, $"{{\"ceiling\":{random.Next(50, 100)},\"reason\":\"fuzzing\"}}"),
        _ => $"{{\"roles\":[\"{callers[random.Next(callers.Count)].Roles.FirstOrDefault() ?? "deploy"}\"]}}",
    };

    // A review of a workload that is hardly one.
    private static string Review(Random random)
    {
        var thing = new JsonObject
        {
            ["kind"] = "Deployment",
            ["metadata"] = new JsonObject
            {
                ["name"] = random.Next(3) == 0 ? Letters(random, 5000) : Text(random),
                ["annotations"] = new JsonObject { ["broker/role"] = string.Join(',', Enumerable.Repeat(random.Next(2) == 0 ? "orders-api" : Text(random), random.Next(1, 2000))) },
            },
            ["spec"] = new JsonObject
            {
                ["replicas"] = random.Next(2) == 0 ? random.Next(500) : random.Next(),
                ["strategy"] = new JsonObject { ["rollingUpdate"] = new JsonObject { ["maxSurge"] = string.Create(CultureInfo.InvariantCulture, $"{random.Next(int.MinValue, int.MaxValue)}%") } },
            },
        };
        var request = new JsonObject { ["uid"] = Letters(random, 36), ["operation"] = "UPDATE", ["namespace"] = Text(random), ["object"] = thing };
        if (random.Next(2) == 0) request["oldObject"] = thing.DeepClone();
        return new JsonObject { ["apiVersion"] = "admission.k8s.io/v1", ["kind"] = "AdmissionReview", ["request"] = request }.ToJsonString();
    }

    // Well formed, but from an unknown issuer and with an unknown key.
    private static string Unsigned(Random random, string token)
    {
        var payload = JsonNode.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]))!;
        payload["sub"] = Letters(random, 20);
        var header = new JsonObject { ["alg"] = "RS256", ["typ"] = "JWT", ["kid"] = Letters(random, 10) };
        var text = random.Next(3) == 0 ? $"{payload.ToJsonString()[..^1]},\"fuzz\":{{\"deep\":\"{HalfLetter(random)}\"}}}}" : payload.ToJsonString();
        return string.Join('.', Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header.ToJsonString())), Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text)), Letters(random, 342));
    }

    private static string HalfLetter(Random random) => Dictionary.HalfLetters[random.Next(Dictionary.HalfLetters.Length)];

    private static string Letters(Random random, int count) =>
        new([.. Enumerable.Range(0, count).Select(_ => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[random.Next(64)])]);

    private static string Text(Random random) => random.Next(4) == 0
        ? new string([.. Enumerable.Range(0, random.Next(40)).Select(_ => (char)random.Next(1, 0xd7ff))])
        : Dictionary.Hostile[random.Next(Dictionary.Hostile.Length)];

    private static string Mutated(Random random, string text)
    {
        if (text.Length == 0) return Text(random);
        var letters = text.ToCharArray().ToList();
        for (var changes = random.Next(1, 4); changes > 0 && letters.Count > 0; changes--)
        {
            var at = random.Next(letters.Count);
            switch (random.Next(3))
            {
                case 0: letters[at] = (char)random.Next(32, 127); break;
                case 1: letters.RemoveAt(at); break;
                default: letters.Insert(at, (char)random.Next(32, 127)); break;
            }
        }

        return new([.. letters]);
    }
}
