using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>Whatever is sent, the answer says what is wrong with it, and it is never a fault of the broker.</summary>
public sealed class BadInputTests(RunningBroker broker)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("{", "not JSON")]
    [InlineData("}", "not JSON")]
    [InlineData(" ", "not JSON")]
    [InlineData("{} {}", "not JSON")]
    [InlineData("{\"connections\":2} x", "not JSON")]
    [InlineData("{\"connections\":2,}", "not JSON")]
    [InlineData("{'connections':2}", "not JSON")]
    [InlineData("{connections:2}", "not JSON")]
    [InlineData("{\"connections\":02}", "not JSON")]
    [InlineData("{\"connections\":NaN}", "not JSON")]
    [InlineData("// comment\n{}", "not JSON")]
    [InlineData("{\n\"connections\":2,\n?}", "line 3, byte 1")]
    [InlineData("connections=2", "not JSON")]
    [InlineData("null", "not an object")]
    [InlineData("[]", "not an object")]
    [InlineData("[{\"connections\":2}]", "not an object")]
    [InlineData("\"connections\"", "not an object")]
    [InlineData("5", "not an object")]
    [InlineData("true", "not an object")]
    [InlineData("{\"conections\":2}", "no field 'conections'")]
    [InlineData("{\"Connections\":2}", "no field 'Connections'")]
    [InlineData("{\"\":2}", "no field ''")]
    [InlineData("{\"\\ud800\":2}", "text that is not UTF-8")]
    [InlineData("{\"connections\":2,\"connections\":3}", "'connections' is given twice")]
    [InlineData("{\"connections\":2,\"c\\u006fnnections\":3}", "'connections' is given twice")]
    [InlineData("{\"holder\":null,\"holder\":\"a\"}", "'holder' is given twice")]
    [InlineData("{\"connections\":\"2\"}", "'connections' is not a whole number")]
    [InlineData("{\"connections\":2.5}", "'connections' is not a whole number")]
    [InlineData("{\"connections\":true}", "'connections' is not a whole number")]
    [InlineData("{\"connections\":[2]}", "'connections' is not a whole number")]
    [InlineData("{\"connections\":{\"a\":2}}", "'connections' is not a whole number")]
    [InlineData("{\"connections\":2147483648}", "'connections' is not a whole number, or is far out of range")]
    [InlineData("{\"minConnections\":-99999999999999999999}", "'minConnections' is not a whole number, or is far out of range")]
    [InlineData("{\"connections\":2147483647}", "grants 1 to 20")]
    [InlineData("{\"connections\":21}", "grants 1 to 20")]
    [InlineData("{\"connections\":0}", "grants 1 to 20")]
    [InlineData("{\"connections\":-1}", "grants 1 to 20")]
    [InlineData("{\"connections\":-2147483648}", "grants 1 to 20")]
    [InlineData("{\"connections\":3,\"minConnections\":4}", "'minConnections' is 4")]
    [InlineData("{\"minConnections\":0}", "'minConnections' is 0")]
    [InlineData("{\"holder\":5}", "'holder' must be a string")]
    [InlineData("{\"holder\":[\"a\"]}", "'holder' must be a string")]
    [InlineData("{\"holder\":\"\\ud800\"}", "text that is not UTF-8")]
    [InlineData("{\"holder\":\"\"}", "'holder' must be 1 to 128")]
    [InlineData("{\"holder\":\" a\"}", "'holder' must be 1 to 128")]
    [InlineData("{\"holder\":\"a\\u0000\"}", "'holder' must be 1 to 128")]
    [InlineData("{\"holder\":\"a\\n\"}", "'holder' must be 1 to 128")]
    [InlineData("{\"holder\":\"Müller\"}", "'holder' must be 1 to 128")]
    [InlineData("{\"holder\":\"a|b\"}", "'holder' must be 1 to 128")]
    public async Task A_body_that_is_not_understood_is_refused_with_what_to_mend(string body, string detail)
    {
        using var pod = await broker.PodAsync();
        var refusal = await (await pod.ClaimAsync(body)).ShouldRefuseAsync(HttpStatusCode.BadRequest, "invalid-request");
        refusal["detail"]!.GetValue<string>().ShouldContain(detail);
    }

    [Theory]
    [InlineData("{\"connections\":null,\"minConnections\":null,\"holder\":null}")]
    [InlineData(" \r\n\t{ \"minConnections\" : 1 , \"connections\" : 2 } \n")]
    [InlineData("{\"holder\":\"a.b_c:d/e-F9\"}")]
    [InlineData("")]
    public async Task What_is_within_the_rules_is_taken(string body)
    {
        using var pod = await broker.PodAsync();
        (await pod.ClaimAsync(body)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    public static TheoryData<string, byte[]> Bytes => new()
    {
        { "a byte order mark", [0xEF, 0xBB, 0xBF, .. "{\"connections\":2}"u8] },
        { "UTF-16 with its mark", [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes("{\"connections\":2}")] },
        { "UTF-16, big end first", [.. Encoding.BigEndianUnicode.GetPreamble(), .. Encoding.BigEndianUnicode.GetBytes("{}")] },
        { "UTF-32", Encoding.UTF32.GetBytes("{}") },
        { "Latin-1 in a value", [.. "{\"holder\":\""u8, 0xFC, .. "\"}"u8] },
        { "an overlong form", [.. "{\"holder\":\""u8, 0xC0, 0xAF, .. "\"}"u8] },
        { "half a character in a name", [.. "{\"hold"u8, 0xE2, 0x82, .. "\":1}"u8] },
        { "zero bytes", new byte[64] },
        { "random bytes", [.. Enumerable.Range(0, 4096).Select(i => (byte)((i * 7919) >> 3))] },
        { "gzip", Gzip("{\"connections\":2}") },
        { "deep nesting", [.. Enumerable.Repeat((byte)'[', 16_000)] },
        { "deep nesting in a value", [.. "{\"holder\":"u8, .. Enumerable.Repeat((byte)'[', 16_000)] },
    };

    [Theory]
    [MemberData(nameof(Bytes), DisableDiscoveryEnumeration = true)]
    public async Task Bytes_that_are_no_UTF8_JSON_are_refused(string what, byte[] body)
    {
        using var pod = await broker.PodAsync();
        var refusal = await (await pod.ClaimAsync(new ByteArrayContent(body))).ShouldRefuseAsync(HttpStatusCode.BadRequest, "invalid-request");
        refusal["detail"]!.GetValue<string>().ShouldContain("This address takes", customMessage: what);
    }

    [Fact]
    public async Task A_long_field_name_is_not_repeated_whole()
    {
        using var pod = await broker.PodAsync();
        var refusal = await (await pod.ClaimAsync($$"""{"{{new string('x', 10_000)}}":1}""")).ShouldRefuseAsync(HttpStatusCode.BadRequest, "invalid-request");
        refusal["detail"]!.GetValue<string>().Length.ShouldBeLessThan(300);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_of_ten_megabytes_is_refused_unread_whether_its_length_is_told_or_not(bool told)
    {
        await using var connection = await RawConnection.OpenAsync(await broker.AddressAsync(), (await broker.IdentityAsync()).PodToken(broker.NextPod()));

        // The client goes on sending as long as it can, as a careless one does.
        await connection.SendAsync($"{connection.ClaimHead}{(told ? "Content-Length: 10485760" : "Transfer-Encoding: chunked")}\r\n\r\n");
        var sending = connection.FloodAsync(told ? "" : "10000\r\n", new byte[65536], told ? "" : "\r\n", 160);

        var answer = await connection.ReadAsync();
        answer.ShouldStartWith("HTTP/1.1 413");
        answer.ShouldContain("\"code\":\"invalid-request\"");
        await sending;
    }

    [Theory]
    [InlineData("%C3%BCber")]
    [InlineData("%F0%9F%90%98")]
    [InlineData("a%2Fb")]
    [InlineData("a%252Fb")]
    [InlineData("%20")]
    [InlineData("..%2F..%2Fetc")]
    [InlineData("a%0D%0ASet-Cookie:%20x")]
    [InlineData("'%20OR%201=1--")]
    [InlineData("%E2%82")]
    [InlineData("%ZZ")]
    [InlineData("{role}")]
    [InlineData("Orders-API")]
    [InlineData("orders-api%20")]
    [InlineData("orders-api.x")]
    public async Task An_odd_role_is_a_role_nobody_may_have(string role)
    {
        using var pod = await broker.PodAsync();
        var answer = await pod.ClaimAsync(role: role);
        await answer.ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
        answer.Headers.Contains("Set-Cookie").ShouldBeFalse();
    }

    [Theory]
    [InlineData("%C3%BCber")]
    [InlineData("orders-api")]
    [InlineData("orders-api.tooshort")]
    [InlineData("orders-api.AAAAAAAAAAAAAAAAAAAAAAAAAAAA%0A")]
    [InlineData(".AAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("%E2%82")]
    [InlineData("a%2Fb")]
    public async Task An_odd_holder_is_unknown(string holder)
    {
        using var pod = await broker.PodAsync();
        await (await pod.PostAsync($"/api/v1/holders/{holder}/renew", null, Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "holder-unknown");
        await (await pod.DeleteAsync($"/api/v1/holders/{holder}", Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "holder-unknown");
    }

    [Theory]
    [InlineData("POST", "renew?allotment=abc")]
    [InlineData("POST", "renew?allotment=1.5")]
    [InlineData("POST", "renew?allotment=99999999999999999999")]
    [InlineData("GET", "watch?allotment=abc")]
    public async Task L7_A_number_in_an_address_that_is_none_is_refused_on_record(string method, string call)
    {
        using var pod = await broker.PodAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), $"/api/v1/holders/orders-api.AAAAAAAAAAAAAAAAAAAAAAAAAAAA/{call}");
        var refusal = await (await pod.SendAsync(request, Cancel)).ShouldRefuseAsync(HttpStatusCode.BadRequest, "invalid-request");
        (await broker.AuditOfAsync(refusal["traceId"]!.GetValue<string>())).ShouldHaveSingleItem()["caller"].ShouldNotBeNull();
    }

    [Fact]
    public async Task Names_of_thousands_of_characters_are_refused_like_short_ones()
    {
        using var pod = await broker.PodAsync();
        var name = new string('a', 7_000);
        await (await pod.ClaimAsync(role: name)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
        await (await pod.DeleteAsync($"/api/v1/holders/{name}", Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "holder-unknown");
        await (await pod.ClaimAsync($$"""{"holder":"{{name}}"}""")).ShouldRefuseAsync(HttpStatusCode.BadRequest, "invalid-request");
    }

    public static TheoryData<string> BadTokens =>
        ["expired", "foreign key", "unsigned", "other audience", "other issuer", "tampered", "cut", "three dots", "no dot", "empty", "no end", "long", "HS256 with the public key"];

    [Theory]
    [MemberData(nameof(BadTokens))]
    public async Task L7_A_bad_token_proves_nobody_on_any_way_in(string what)
    {
        using var client = await broker.ClientAsync(null);
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", $"Bearer {await TokenAsync(what)}");

        await (await client.ClaimAsync("{}")).ShouldRefuseAsync(HttpStatusCode.Unauthorized, "unauthenticated");
        await (await client.GetAsync("/api/v1/budgets", Cancel)).ShouldRefuseAsync(HttpStatusCode.Unauthorized, "unauthenticated");
    }

    [Theory]
    [InlineData("Basic {0}")]
    [InlineData("Bearer")]
    [InlineData("Bearer Bearer {0}")]
    [InlineData("{0}")]
    [InlineData("Bearer {0}, Bearer {0}")]
    [InlineData("Bearer \"{0}\"")]
    public async Task L7_A_good_token_in_a_wrong_place_proves_nobody(string header)
    {
        using var client = await broker.ClientAsync(null);
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", string.Format(null, header, (await broker.IdentityAsync()).PodToken(broker.NextPod())));
        await (await client.ClaimAsync("{}")).ShouldRefuseAsync(HttpStatusCode.Unauthorized, "unauthenticated");
    }

    [Fact]
    public async Task L7_Two_authorization_headers_prove_nobody_even_when_both_are_good()
    {
        var token = (await broker.IdentityAsync()).PodToken(broker.NextPod());
        await using var connection = await RawConnection.OpenAsync(await broker.AddressAsync(), token);
        await connection.SendAsync($"{connection.ClaimHead}Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n");
        (await connection.ReadAsync()).ShouldStartWith("HTTP/1.1 401");
    }

    [Fact]
    public async Task L7_A_token_that_is_not_even_ASCII_proves_nobody()
    {
        await using var connection = await RawConnection.OpenAsync(await broker.AddressAsync(), "t\u00f6k\u00e9n");
        await connection.SendAsync($"{connection.ClaimHead}Content-Length: 0\r\n\r\n");
        (await connection.ReadAsync()).ShouldMatch("^HTTP/1.1 40[01]");
    }

    [Fact]
    public async Task L15_A_refusal_is_no_line_of_the_framework_besides_the_brokers_own()
    {
        using var client = await broker.ClientAsync("not.a.token");
        await (await client.GetAsync("/api/v1/budgets", Cancel)).ShouldRefuseAsync(HttpStatusCode.Unauthorized, "unauthenticated");
        using var pod = await broker.PodAsync();
        await (await pod.GetAsync("/api/v1/budgets", Cancel)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");

        (await broker.LogAsync()).ShouldNotContain("AuthenticationScheme");
    }

    [Fact]
    public async Task L6_What_was_sent_as_a_token_is_never_said_again()
    {
        using var pod = await broker.PodAsync();
        var marked = "eyJhbGciOiJub25lIn0.c2VjcmV0LW1hcms.c2VjcmV0LW1hcms";
        using var client = await broker.ClientAsync(marked);

        var answer = await client.ClaimAsync("{}");

        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldNotContain("c2VjcmV0LW1hcms");
        answer.Headers.ToString().ShouldNotContain("c2VjcmV0LW1hcms");
        (await broker.LogAsync()).ShouldNotContain("c2VjcmV0LW1hcms");
        (await broker.AuditOfAsync("c2VjcmV0LW1hcms")).ShouldBeEmpty();
    }

    private static byte[] Gzip(string text)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Fastest)) gzip.Write(Encoding.UTF8.GetBytes(text));
        return stream.ToArray();
    }

    private async Task<string> TokenAsync(string what)
    {
        var identity = await broker.IdentityAsync();
        var good = identity.PodToken(broker.NextPod());
        var parts = good.Split('.');
        switch (what)
        {
            case "expired": return identity.PodToken(1, new() { Lifetime = TimeSpan.FromMinutes(-10) });
            case "foreign key": return identity.PodToken(1, new() { Signature = TokenSignature.ForeignKey });
            case "unsigned": return identity.PodToken(1, new() { Signature = TokenSignature.None });
            case "other audience": return identity.PodToken(1, new() { Audience = ["vault"] });
            case "other issuer":
                var claims = await Tokens.ClaimsAsync(broker, "pipeline");
                claims["iss"] = "https://elsewhere.example";
                return identity.Sign(claims);
            case "no end":
                claims = await Tokens.ClaimsAsync(broker, "pipeline");
                claims.Remove("exp");
                return identity.Sign(claims);
            case "tampered":
                var payload = JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(parts[1]))!;
                payload["kubernetes.io"]!["pod"]!["uid"] = "another";
                return $"{parts[0]}.{System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload.ToJsonString()))}.{parts[2]}";
            case "HS256 with the public key":
                using (var client = new HttpClient())
                {
                    var jwk = JsonNode.Parse(await client.GetStringAsync($"{identity.Authority.OriginalString}/jwks", Cancel))!["keys"]![0]!;
                    using var rsa = System.Security.Cryptography.RSA.Create(new System.Security.Cryptography.RSAParameters
                    {
                        Modulus = System.Buffers.Text.Base64Url.DecodeFromChars(jwk["n"]!.GetValue<string>()),
                        Exponent = System.Buffers.Text.Base64Url.DecodeFromChars(jwk["e"]!.GetValue<string>()),
                    });
                    var head = System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"alg":"HS256","kid":"{{jwk["kid"]}}"}"""));
                    var signed = Encoding.ASCII.GetBytes($"{head}.{parts[1]}");
                    var mac = System.Security.Cryptography.HMACSHA256.HashData(Encoding.ASCII.GetBytes(rsa.ExportSubjectPublicKeyInfoPem()), signed);
                    return $"{head}.{parts[1]}.{System.Buffers.Text.Base64Url.EncodeToString(mac)}";
                }

            case "cut": return good[..^20];
            case "three dots": return good + ".x";
            case "no dot": return "token";
            case "empty": return "";
            case "long": return new string('a', 20_000);
            default: throw new ArgumentOutOfRangeException(nameof(what), what, "No such token.");
        }
    }
}
