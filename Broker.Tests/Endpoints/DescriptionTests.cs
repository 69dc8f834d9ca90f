using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Model;
using Microsoft.OpenApi;
using Microsoft.OpenApi.Reader;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>The description at <c>/openapi/v1.json</c> says what the API does, and nothing else.</summary>
public sealed class DescriptionTests(RunningBroker broker)
{
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web) { UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_description_is_valid_OpenAPI_with_a_name_for_every_call()
    {
        var (document, diagnostic) = await ReadAsync();

        diagnostic.Errors.ShouldBeEmpty();
        diagnostic.Warnings.ShouldBeEmpty();
        Operations(document).Select(call => call.Operation.OperationId).Order().ShouldBe(
            ["ClaimCredentials", "DrainRole", "DropLeftover", "EndHolder", "EndSession", "Explain", "Forecast", "GetBudget", "GetHistory", "GetLease", "GetSession", "GetShadow", "ListBudgets", "ListDuties", "ListFindings", "ListHolders", "ListIndicators", "ListLeases", "ListLeftovers", "ListLine", "ListOthers", "Live", "OpenSession", "PauseRole", "Ready", "ReleaseHolder", "RenewHolder", "RenewSession", "ResumeRole", "RevokeLease", "RotateRole", "SetCeiling", "WatchHolder"]);
        document.Components!.SecuritySchemes!.ShouldHaveSingleItem().Value.ShouldSatisfyAllConditions(
            scheme => scheme.Type.ShouldBe(SecuritySchemeType.Http), scheme => scheme.Scheme.ShouldBe("bearer"));
        (document.Servers ?? []).ShouldBeEmpty();
    }

    [Fact]
    public async Task Every_call_but_health_wants_a_token_and_tells_its_refusals_with_an_example_each()
    {
        var (document, _) = await ReadAsync();
        Operations(document).ShouldNotBeEmpty();
        foreach (var (path, operation) in Operations(document))
        {
            var open = path.StartsWith("/health/", StringComparison.Ordinal);
            (operation.Security ?? []).Count.ShouldBe(open ? 0 : 1, path);
            if (open) continue;
            operation.Responses!.Keys.ShouldContain("401");
            foreach (var (status, response) in operation.Responses.Where(response => response.Key[0] is '4' or '5'))
            {
                var content = response.Content![RefusalWriter.ContentType];
                content.Schema.ShouldBeOfType<OpenApiSchemaReference>().Reference.Id.ShouldBe("Problem");
                content.Examples.ShouldNotBeNull().ShouldNotBeEmpty();
                foreach (var (code, example) in content.Examples)
                {
                    var problem = example.Value.Deserialize<ProblemShape>(Web)!;
                    (problem.Code, problem.Status.ToString(null, null), problem.Type).ShouldBe((code, status, "urn:broker:refusal:" + code));
                    response.Description!.ShouldContain(code);
                    (response.Headers?.ContainsKey("Retry-After") ?? false).ShouldBe(content.Examples.Values.Any(other => other.Value!["retryAfterSeconds"] is not null), $"{path} {status}");
                }
            }
        }
    }

    [Fact]
    public async Task Every_refusal_of_the_closed_list_is_somewhere_in_it()
    {
        var (document, _) = await ReadAsync();
        Operations(document)
            .SelectMany(call => call.Operation.Responses!.Values)
            .SelectMany(response => response.Content is { } content && content.TryGetValue(RefusalWriter.ContentType, out var problem) ? problem.Examples?.Keys ?? [] : [])
            .Distinct().Order().ShouldBe(Enum.GetValues<RefusalCode>().Select(code => RefusalStatus.Of(code).Code).Order());
    }

    [Fact]
    public async Task A_claim_tells_its_role_its_preference_and_its_optional_body()
    {
        var (document, _) = await ReadAsync();
        var claim = Operations(document).Single(call => call.Operation.OperationId == "ClaimCredentials").Operation;

        claim.Parameters!.Select(parameter => (parameter.Name, parameter.In, parameter.Required)).ShouldBe(
            [("role", ParameterLocation.Path, true), ("Prefer", ParameterLocation.Header, false)]);
        claim.RequestBody!.Required.ShouldBeFalse();
        var taken = claim.RequestBody.Content!["application/json"];
        (document.Components!.Schemas!["CredentialsRequest"].Required ?? new HashSet<string>()).ShouldBeEmpty();
        taken.Example.Deserialize<CredentialsRequest>(Web).ShouldBe(new CredentialsRequest("job-4711", 5, 1));
        RoundTrip<GrantShape>(claim.Responses!["200"]).Credentials.Password.ShouldBe("example");
    }

    [Fact]
    public async Task The_example_of_a_claim_is_taken_as_it_stands()
    {
        var (document, _) = await ReadAsync();
        using var pod = await broker.PodAsync();
        var example = Operations(document).Single(call => call.Operation.OperationId == "ClaimCredentials").Operation.RequestBody!.Content!["application/json"].Example!;
        (await pod.ClaimAsync(example.ToJsonString())).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Every_answer_and_every_example_is_as_its_schema_says()
    {
        using var pod = await broker.PodAsync();
        using var viewer = await broker.ViewerAsync();
        using var nobody = await broker.ClientAsync(null);
        var schemas = new Schemas(JsonNode.Parse(await pod.GetStringAsync("/openapi/v1.json", Cancel))!);
        var claimed = await pod.ClaimAsync();
        var grant = await claimed.JsonAsync();

        await HoldAsync("/api/v1/roles/{role}/credentials", "post", claimed);
        await HoldAsync("/api/v1/roles/{role}/credentials", "post", await pod.ClaimAsync("["));
        await HoldAsync("/api/v1/roles/{role}/credentials", "post", await nobody.ClaimAsync());
        await HoldAsync("/api/v1/roles/{role}/credentials", "post", await pod.ClaimAsync(role: "unknown"));
        await HoldAsync("/api/v1/roles/{role}/credentials", "post", await pod.ClaimAsync(role: RunningBroker.VaultlessRole, prefer: "wait=0"));
        await HoldAsync("/api/v1/roles/{role}/credentials", "post", await pod.ClaimAsync("""{"connections":20,"holder":"wide"}""", RunningBroker.NarrowRole, prefer: "wait=0"));
        await HoldAsync("/api/v1/roles/{role}/credentials", "post", await pod.ClaimAsync(new StringContent("{}"), "text/plain"));
        await HoldAsync("/api/v1/holders/{id}/renew", "post", await pod.PostAsync($"/api/v1/holders/{grant.HolderId()}/renew", null, Cancel));
        await HoldAsync("/api/v1/holders/{id}/renew", "post", await pod.PostAsync("/api/v1/holders/x/renew", null, Cancel));
        await HoldAsync("/api/v1/budgets", "get", await viewer.GetAsync("/api/v1/budgets", Cancel));
        await HoldAsync("/api/v1/budgets", "get", await pod.GetAsync("/api/v1/budgets", Cancel));
        await HoldAsync("/api/v1/budgets/{database}", "get", await viewer.GetAsync("/api/v1/budgets/orders", Cancel));
        await HoldAsync("/api/v1/budgets/{database}", "get", await viewer.GetAsync("/api/v1/budgets/nowhere", Cancel));
        await HoldAsync("/api/v1/leases", "get", await viewer.GetAsync("/api/v1/leases", Cancel));
        await HoldAsync("/api/v1/leases/{id}", "get", await viewer.GetAsync($"/api/v1/leases/{grant["lease"]!["id"]}", Cancel));
        await HoldAsync("/api/v1/leases/{id}", "get", await viewer.GetAsync("/api/v1/leases/nowhere", Cancel));
        await HoldAsync("/health/live", "get", await nobody.GetAsync("/health/live", Cancel));
        await HoldAsync("/health/ready", "get", await nobody.GetAsync("/health/ready", Cancel));
        schemas.HoldExamples().ShouldBeGreaterThan(40);

        async Task HoldAsync(string path, string method, HttpResponseMessage answer) => schemas.Hold(
            path, method, (int)answer.StatusCode, answer.Content.Headers.ContentType!.MediaType!, await answer.Content.ReadAsStringAsync(Cancel));
    }

    private static IEnumerable<(string Path, OpenApiOperation Operation)> Operations(OpenApiDocument document) =>
        document.Paths.SelectMany(path => path.Value.Operations!.Values.Select(operation => (path.Key, operation)));

    private static TShape RoundTrip<TShape>(IOpenApiResponse response)
    {
        var example = response.Content!.Single().Value.Example!;
        var shape = example.Deserialize<TShape>(Web)!;
        JsonNode.DeepEquals(JsonSerializer.SerializeToNode(shape, Web), example).ShouldBeTrue(JsonSerializer.Serialize(shape, Web) + "\n" + example.ToJsonString());
        return shape;
    }

    private async Task<(OpenApiDocument Document, OpenApiDiagnostic Diagnostic)> ReadAsync()
    {
        using var pod = await broker.PodAsync();
        var result = OpenApiDocument.Parse(await pod.GetStringAsync("/openapi/v1.json", Cancel), "json");
        return (result.Document.ShouldNotBeNull(), result.Diagnostic.ShouldNotBeNull());
    }
}
