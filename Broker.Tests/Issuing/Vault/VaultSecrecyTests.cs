using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>
/// L6. A hostile middle man that throws back at us, in every error, all it was sent: none of it reaches a log or an exception.
/// </summary>
public sealed class VaultSecrecyTests
{
    private const string SecretId = "secret-id-0b2f6a";
    private const string ClientToken = "hvs.client-token-77";
    private const string Password = "pa55word-never-seen";

    private readonly FakeTimeProvider time = new();

    [Theory]
    [InlineData("login", 400)]
    [InlineData("login", 500)]
    [InlineData("login", 200)]
    [InlineData("lookup-self", 403)]
    [InlineData("lookup-self", 500)]
    [InlineData("lookup-self", 200)]
    [InlineData("renew-self", 500)]
    [InlineData("renew-self", 200)]
    [InlineData("creds", 200)]
    [InlineData("creds", 400)]
    [InlineData("creds", 403)]
    [InlineData("creds", 429)]
    [InlineData("creds", 500)]
    [InlineData("creds", 502)]
    [InlineData("creds", 307)]
    public async Task L6_no_secret_comes_out_of_a_failure(string where, int status)
    {
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            var echo = $"{await reader.ReadToEndAsync()} {context.Request.Headers["X-Vault-Token"]}".Replace("\"", "'", StringComparison.Ordinal);
            var path = context.Request.Path.Value!;
            context.Response.ContentType = "application/json";
            if (path.Contains(where, StringComparison.Ordinal))
            {
                context.Response.StatusCode = status;
                context.Response.Headers.Location = $"https://elsewhere/?token={ClientToken}";
                await context.Response.WriteAsync(
                    $$$"""{"errors":["{{{echo}}}"],"lease_id":"","lease_duration":"{{{Password}}}","data":{"password":"{{{Password}}}","ttl":"{{{ClientToken}}}"}}""");
                return;
            }

            await context.Response.WriteAsync(
                path.EndsWith("/login", StringComparison.Ordinal) ? $$$"""{"auth":{"client_token":"{{{ClientToken}}}"}}"""
                : path.EndsWith("lookup-self", StringComparison.Ordinal) ? """{"data":{"ttl":3600,"creation_ttl":3600,"period":3600,"renewable":true,"expire_time":"2030-01-01T00:00:00Z"}}"""
                : path.EndsWith("renew-self", StringComparison.Ordinal) ? """{"auth":{"lease_duration":3600,"renewable":true}}"""
                : $$$"""{"lease_id":"database/creds/app/x","lease_duration":60,"data":{"username":"u","password":"{{{Password}}}"}}""");
        });
        using var bench = new VaultFixture(
            VaultFixture.PatientDefinitionOf(server.Address, new VaultAppRoleAuth("role", new SecretSource(new Secret(SecretId), null))), time);

        var failure = await Should.ThrowAsync<IssuerException>(() => VaultFixture.RunAsync(time, bench.IssueAsync()));
        var notKept = await Record.ExceptionAsync(() => VaultFixture.RunAsync(time, bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation)));

        foreach (var secret in new[] { SecretId, ClientToken, Password })
        {
            failure.ToString().ShouldNotContain(secret);
            notKept?.ToString().ShouldNotContain(secret);
            bench.Logger.Text.ShouldNotContain(secret);
        }
    }

    [Fact]
    public async Task L6_no_secret_is_logged_when_all_goes_well()
    {
        await using var vault = await SimulatedVault.StartAsync();
        vault.AddRole(new SimulatedRole("database/creds/app", TimeSpan.FromHours(1), TimeSpan.FromHours(1)));
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address));

        var issued = await bench.IssueAsync();
        await bench.Issuer.RevokeAsync(VaultFixture.LeaseOf(issued.Id), VaultFixture.Cancellation);

        bench.Logger.Text.ShouldNotBeEmpty();
        foreach (var secret in vault.LiveTokens.Append(issued.Login.Password.Reveal()).Append(SimulatedVault.SecretId))
            bench.Logger.Text.ShouldNotContain(secret);
        issued.ToString().ShouldNotContain(issued.Login.Password.Reveal());
    }
}
