using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Shouldly;

namespace Broker.Tests.Endpoints;

/// <summary>Reads the broker's answers, and holds every refusal to one form.</summary>
internal static class Answers
{
    private static readonly HashSet<string> Members =
        ["type", "title", "status", "code", "detail", "traceId", "retryAfterSeconds", "free", "couldAskFor", "capacity"];

    /// <summary>What an operator sends with every order.</summary>
    public static StringContent Because(string reason) => new(new JsonObject { ["reason"] = reason }.ToJsonString(), Encoding.UTF8, "application/json");

    public static async Task<JsonObject> JsonAsync(this HttpResponseMessage answer) =>
        JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject();

    /// <summary>The answer is this refusal, in the documented form and with the documented headers.</summary>
    public static async Task<JsonObject> ShouldRefuseAsync(this HttpResponseMessage answer, HttpStatusCode status, string code)
    {
        var text = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.ShouldBe(status, text);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        answer.Headers.CacheControl!.NoStore.ShouldBeTrue();
        answer.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        var problem = JsonNode.Parse(text)!.AsObject();
        problem.ShouldAllBe(member => Members.Contains(member.Key));
        problem["type"]!.GetValue<string>().ShouldBe("urn:broker:refusal:" + code);
        problem["code"]!.GetValue<string>().ShouldBe(code);
        problem["status"]!.GetValue<int>().ShouldBe((int)status);
        problem["title"]!.GetValue<string>().ShouldNotBeEmpty();
        problem["detail"]!.GetValue<string>().ShouldSatisfyAllConditions(
            detail => detail.ShouldNotBeEmpty(),
            detail => detail.ShouldNotContain("Broker.", customMessage: "it names a type of ours"),
            detail => detail.ShouldNotContain("System."));
        problem["traceId"]!.GetValue<string>().ShouldMatch("^[0-9a-f]{32}$");
        var retry = problem["retryAfterSeconds"]?.GetValue<int>();
        var header = answer.Headers.TryGetValues("Retry-After", out var values) ? int.Parse(values.Single(), CultureInfo.InvariantCulture) : default(int?);
        header.ShouldBe(retry, "the body and the header say the same");
        if (status is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests) retry.ShouldNotBeNull().ShouldBeGreaterThan(0);
        if (status is HttpStatusCode.Unauthorized) answer.Headers.WwwAuthenticate.ToString().ShouldStartWith("Bearer");
        return problem;
    }

    public static Task<HttpResponseMessage> ClaimAsync(this HttpClient client, string? body = null, string role = RunningBroker.Role, string? prefer = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/roles/{role}/credentials");
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        if (prefer is not null) request.Headers.TryAddWithoutValidation("Prefer", prefer);
        return client.SendAsync(request);
    }

    /// <summary>A grant; who is told to come back comes back, as a pod does, for half a minute.</summary>
    public static async Task<JsonObject> GrantAsync(this HttpClient client, string? body = null, string role = RunningBroker.Role)
    {
        var text = "";
        await Eventually.HoldsAsync(
            async () =>
            {
                using var answer = await client.ClaimAsync(body, role);
                text = await answer.Content.ReadAsStringAsync();
                if (answer.StatusCode is HttpStatusCode.OK) return true;
                answer.Headers.RetryAfter.ShouldNotBeNull(text);
                return false;
            },
            $"a grant of {role}",
            CancellationToken.None);
        return JsonNode.Parse(text)!.AsObject();
    }

    public static Task<HttpResponseMessage> ClaimAsync(this HttpClient client, HttpContent content, string type = "application/json")
    {
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        return client.PostAsync($"/api/v1/roles/{RunningBroker.Role}/credentials", content);
    }

    public static string HolderId(this JsonObject grant) => grant["holder"]!["id"]!.GetValue<string>();
}
