using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Admission;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Admission;

/// <summary>The admission webhook, as an API server calls it.</summary>
public sealed class AdmissionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("""{"kind":"Deployment","spec":{"replicas":100}}""", 100, 25)]
    [InlineData("""{"kind":"Deployment","spec":{}}""", 1, 1)]
    [InlineData("""{"kind":"Deployment","spec":{"replicas":10,"strategy":{"type":"Recreate"}}}""", 10, 0)]
    [InlineData("""{"kind":"Deployment","spec":{"replicas":10,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":3}}}}""", 10, 3)]
    [InlineData("""{"kind":"Deployment","spec":{"replicas":10,"strategy":{"rollingUpdate":{"maxSurge":"31%"}}}}""", 10, 4)]
    [InlineData("""{"kind":"Deployment","spec":{"replicas":10,"strategy":{"rollingUpdate":{"maxSurge":"-110%"}}}}""", 10, 0)]
    [InlineData("""{"kind":"Deployment","spec":{"replicas":10,"strategy":{"rollingUpdate":{"maxSurge":"-10"}}}}""", 10, 0)]
    [InlineData("""{"kind":"Deployment","spec":{"replicas":400,"strategy":{"rollingUpdate":{"maxSurge":"1073741724%"}}}}""", 400, int.MaxValue)]
    [InlineData("""{"kind":"StatefulSet","spec":{"replicas":5}}""", 5, 0)]
    [InlineData("""{"kind":"Job","spec":{"parallelism":20,"completions":7}}""", 7, 0)]
    [InlineData("""{"kind":"Job","spec":{"parallelism":20}}""", 20, 0)]
    [InlineData("""{"kind":"CronJob","spec":{"jobTemplate":{"spec":{"parallelism":4,"completions":9}}}}""", 4, 0)]
    [InlineData("""{"kind":"HorizontalPodAutoscaler","spec":{"maxReplicas":40,"minReplicas":2}}""", 40, 0)]
    public void The_pods_are_those_that_the_API_server_would_start(string thing, int pods, int surge)
    {
        var workload = Workload.Read(JsonDocument.Parse(thing).RootElement, "shop").ShouldNotBeNull();
        (workload.Pods, workload.Surge).ShouldBe((pods, surge));
    }

    [Theory]
    [InlineData("""{"kind":"Deployment","spec":{"replicas":0}}""")]
    [InlineData("""{"kind":"Job","spec":{"suspend":true,"parallelism":9}}""")]
    [InlineData("""{"kind":"CronJob","spec":{"suspend":true,"jobTemplate":{"spec":{"parallelism":9}}}}""")]
    [InlineData("""{"kind":"ConfigMap","data":{}}""")]
    [InlineData("""[]""")]
    public void What_starts_no_pods_is_not_judged(string thing) => Workload.Read(JsonDocument.Parse(thing).RootElement, "shop").ShouldBeNull();

    [Fact]
    public async Task A_workload_that_does_not_fit_is_refused_with_what_to_change_and_one_that_fits_is_let_in()
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Refuse"));
        using var replica = await world.ReplicaAsync();

        var fits = await ReviewAsync(replica, Deployment(10, connections: 5));
        (Allowed(fits), fits["response"]!["warnings"], (string?)fits["response"]!["uid"]).ShouldBe((true, null, "u-1"));

        var refused = await ReviewAsync(replica, Deployment(40, connections: 5));
        Allowed(refused).ShouldBeFalse();
        ((int)refused["response"]!["status"]!["code"]!).ShouldBe(403);
        ((string)refused["response"]!["status"]!["message"]!).ShouldSatisfyAllConditions(
            words => words.ShouldContain("Deployment shop/api does not fit: 40 pods and a surge of 10, each with 5 connections of role orders-api, need 250 more, and 100 are free on database orders."),
            words => words.ShouldContain("set spec.replicas to 10 at most"),
            words => words.ShouldContain("let each pod open 2 connections"),
            words => words.ShouldContain("ask the DBA of orders for 150 more connections (its ceiling is 100)"));

        Allowed(await ReviewAsync(replica, Deployment(40, connections: 5), operation: "UPDATE", before: Deployment(40, connections: 5))).ShouldBeTrue("it asks for no more than it did");
        Allowed(await ReviewAsync(replica, Deployment(41, connections: 5), operation: "UPDATE", before: Deployment(40, connections: 5))).ShouldBeFalse();
        Allowed(await ReviewAsync(replica, Deployment(40, connections: 5), operation: "DELETE")).ShouldBeTrue();
        Allowed(await ReviewAsync(replica, Deployment(40, connections: 5), space: "elsewhere")).ShouldBeTrue("none of its pods may have a role");
        Allowed(await ReviewAsync(replica, Deployment(40, connections: 5, role: "orders-api"), space: "elsewhere")).ShouldBeFalse("it says what it claims");
        Allowed(await ReviewAsync(replica, """{"kind":"HorizontalPodAutoscaler","metadata":{"name":"api"},"spec":{"maxReplicas":101}}""")).ShouldBeFalse("one role is its namespace's");
    }

    [Fact]
    public async Task Where_it_warns_everything_is_let_in_and_told_in_parts_that_clients_show()
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Warn"));
        using var replica = await world.ReplicaAsync();

        var warned = await ReviewAsync(replica, Deployment(40, connections: 5, role: "orders-api,no-such-role"));

        Allowed(warned).ShouldBeTrue();
        var warnings = warned["response"]!["warnings"]!.AsArray().Select(warning => (string)warning!).ToArray();
        warnings.ShouldAllBe(warning => warning.Length <= 256);
        string.Join(' ', warnings).ShouldSatisfyAllConditions(
            words => words.ShouldContain("need 250 more"), words => words.ShouldContain("names role 'no-such-role', which the broker does not have"));
    }

    [Fact]
    public async Task The_webhook_fails_open_and_what_is_no_review_is_a_mistake()
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Refuse"));
        using var replica = await world.ReplicaAsync();

        (await PostAsync(replica, "nonsense")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await PostAsync(replica, """{"kind":"AdmissionReview"}""")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await PostAsync(replica, "[1]")).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        var large = JsonNode.Parse(Deployment(40, connections: 5))!;
        large["metadata"]!["annotations"]!["large"] = new string('x', 1_400_000);
        Allowed(await ReviewAsync(replica, large.ToJsonString())).ShouldBeFalse("objects have up to 1.5 MB");

        world.Cut = _ => true;
        await Eventually.HoldsAsync(async () => IsUnchecked(await ReviewOnceAsync(replica, Deployment(40, connections: 5))), "a ledger that is away lets it in, and says that nobody looked", Cancel);
    }

    [Theory]
    [InlineData("many names", false)]
    [InlineData("one name again and again", false)]
    [InlineData("a name of 1.4 million letters", false)]
    [InlineData("a known role again and again, also in what was before", true)]
    public async Task L10_A_review_that_names_many_roles_costs_no_more_than_its_length(string what, bool before)
    {
        var roles = what switch
        {
            "many names" => string.Join(',', Enumerable.Range(0, 15_000).Select(static number => $"a{number}")),
            "one name again and again" => string.Join(',', Enumerable.Repeat("a", 15_000)),
            "a name of 1.4 million letters" => new string('a', 1_400_000),
            _ => string.Join(',', Enumerable.Repeat("orders-api", 20_000)),
        };
        await using var world = new BrokerWorld(("Admission:Mode", "Warn"));
        using var replica = await world.ReplicaAsync();
        var thing = JsonNode.Parse(Deployment(40, connections: 5, role: roles))!;
        thing["metadata"]!["name"] = new string('n', 30_000);
        var small = Deployment(1, connections: 1, role: roles);
        var workload = Workload.Read(JsonDocument.Parse(thing.ToJsonString()).RootElement, new string('s', 30_000)).ShouldNotBeNull();
        (workload.Name.Length, workload.Namespace.Length, workload.Roles!.Count).ShouldSatisfyAllConditions(
            kept => kept.Item1.ShouldBeLessThanOrEqualTo(254), kept => kept.Item2.ShouldBeLessThanOrEqualTo(254), kept => kept.Item3.ShouldBeLessThanOrEqualTo(Workload.MostRoles));

        var warned = await ReviewAsync(replica, thing.ToJsonString(), before: before ? small : null);

        var warnings = warned["response"]!["warnings"]!.AsArray().Select(static warning => (string)warning!).ToArray();
        warnings.ShouldNotBeEmpty(what);
        warnings.Length.ShouldBeLessThanOrEqualTo(16);
        warnings.ShouldAllBe(static warning => warning.Length <= 256);

        var had = before ? Workload.Read(JsonDocument.Parse(small).RootElement, "shop") : null;
        var began = GC.GetAllocatedBytesForCurrentThread();
        var judging = world.Service<AdmissionDesk>().JudgeAsync(workload, had, Cancel);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - began;
        (await judging).Count.ShouldBeLessThanOrEqualTo(8);
        allocated.ShouldBeLessThan(1_000_000);
    }

    [Theory]
    [InlineData(10, "-110%")]
    [InlineData(400, "1073741724%")]
    public async Task L10_A_surge_that_is_none_is_answered_like_any_other(int replicas, string surge)
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Warn"));
        using var replica = await world.ReplicaAsync();
        var thing = JsonNode.Parse(Deployment(replicas, connections: 50, role: "orders-api"))!;
        thing["spec"]!["strategy"] = new JsonObject { ["rollingUpdate"] = new JsonObject { ["maxSurge"] = surge } };

        (await ReviewAsync(replica, thing.ToJsonString()))["response"]!["warnings"]!.AsArray().ShouldNotBeEmpty();
    }

    [Fact]
    public async Task What_justifies_a_refusal_is_found_behind_many_names_that_are_none()
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Refuse"));
        using var replica = await world.ReplicaAsync();

        var roles = string.Join(',', Enumerable.Range(0, 15).Select(static number => $"no-such-{number}")) + ",orders-api";
        Allowed(await ReviewAsync(replica, Deployment(40, connections: 5, role: roles))).ShouldBeFalse();
    }

    [Fact]
    public async Task Whoever_sends_slowly_takes_no_turn_from_others()
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Refuse"));
        var address = await world.ListeningReplicaAsync();
        using var replica = new HttpClient { BaseAddress = address };
        using var slow = await SlowAsync(address, 32, 2000);

        Allowed(await ReviewAsync(replica, Deployment(40, connections: 5))).ShouldBeFalse();
    }

    [Fact]
    public async Task Where_long_reviews_have_no_place_one_is_let_in_and_answered_with_its_id()
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Refuse"));
        var address = await world.ListeningReplicaAsync();
        using var replica = new HttpClient { BaseAddress = address };
        var large = JsonNode.Parse(Deployment(40, connections: 5))!;
        large["metadata"]!["annotations"]!["large"] = new string('x', 1_400_000);
        JsonObject said = [];

        // Each is given up after a second.
        await Eventually.HoldsAsync(
            async () =>
            {
                using var slow = await SlowAsync(address, 32, 200_000);
                said = await ReviewOnceAsync(replica, large.ToJsonString());
                return IsUnchecked(said);
            },
            "the places are taken", Cancel);

        ((string?)said["response"]!["uid"]).ShouldBe("u-1");
        Allowed(await ReviewAsync(replica, large.ToJsonString())).ShouldBeFalse("the places are free again");
    }

    [Fact]
    public async Task Nobody_answers_where_it_is_not_configured()
    {
        await using var world = new BrokerWorld();
        using var replica = await world.ReplicaAsync();

        (await PostAsync(replica, "{}")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized, "there is no such address, and that is for those who are known");
    }

    /// <summary>Requests of nobody whose bodies begin and do not end.</summary>
    private static async Task<Sockets> SlowAsync(Uri address, int count, int length)
    {
        var sockets = new Sockets();
        var begun = Encoding.ASCII.GetBytes("POST /kubernetes/admission HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n{\"request\":" + new string(' ', length));
        for (; count > 0; count--)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            sockets.Add(socket);
            await socket.ConnectAsync(IPAddress.Loopback, address.Port, Cancel);
            await socket.SendAsync(begun, Cancel);
        }

        return sockets;
    }

    private sealed class Sockets : List<Socket>, IDisposable
    {
        public void Dispose() => ForEach(static socket => socket.Dispose());
    }

    private static bool Allowed(JsonObject answer) => (bool)answer["response"]!["allowed"]!;

    private static string Deployment(int replicas, int connections, string? role = null)
    {
        var annotations = new JsonObject { [Workload.ConnectionsAnnotation] = connections.ToString(provider: null) };
        if (role is not null) annotations[Workload.RoleAnnotation] = role;
        return new JsonObject
        {
            ["kind"] = "Deployment",
            ["metadata"] = new JsonObject { ["name"] = "api", ["annotations"] = annotations },
            ["spec"] = new JsonObject { ["replicas"] = replicas, ["template"] = new JsonObject { ["spec"] = new JsonObject { ["serviceAccountName"] = "api" } } },
        }.ToJsonString();
    }

    /// <summary>Asks until the broker had the time to look: it has 80 ms, which may be too short for a machine at work.</summary>
    private static async Task<JsonObject> ReviewAsync(HttpClient replica, string thing, string operation = "CREATE", string? before = null, string space = "shop")
    {
        JsonObject said = [];
        await Eventually.HoldsAsync(async () => !IsUnchecked(said = await ReviewOnceAsync(replica, thing, operation, before, space)), "it is looked at in time", Cancel);
        return said;
    }

    private static bool IsUnchecked(JsonObject answer) => Allowed(answer) && answer["response"]!["warnings"] is JsonArray warnings && ((string)warnings[0]!).Contains("unchecked", StringComparison.Ordinal);

    private static async Task<JsonObject> ReviewOnceAsync(HttpClient replica, string thing, string operation = "CREATE", string? before = null, string space = "shop")
    {
        var request = new JsonObject { ["uid"] = "u-1", ["operation"] = operation, ["namespace"] = space, ["object"] = JsonNode.Parse(thing), ["oldObject"] = before is null ? null : JsonNode.Parse(before) };
        using var answer = await PostAsync(replica, new JsonObject { ["apiVersion"] = "admission.k8s.io/v1", ["kind"] = "AdmissionReview", ["request"] = request }.ToJsonString());
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var said = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Cancel))!.AsObject();
        ((string?)said["apiVersion"], (string?)said["kind"]).ShouldBe(("admission.k8s.io/v1", "AdmissionReview"));
        return said;
    }

    private static Task<HttpResponseMessage> PostAsync(HttpClient replica, string body) =>
        replica.PostAsync(new Uri("/kubernetes/admission", UriKind.Relative), new StringContent(body, Encoding.UTF8, "application/json"), Cancel);
}
