using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Shouldly;
using Xunit;

namespace Broker.Tests.LocalServers;

/// <summary>Whether servers are containers: what is asked for, else whether an engine answers.</summary>
public sealed class DockerEngineTests
{
    [Theory]
    [InlineData("local", false)]
    [InlineData("docker", true)]
    public async Task What_is_asked_for_is_done_whatever_answers(string asked, bool docker) =>
        (await ChooseAsync(asked, "unix:///nowhere/docker.sock")).ShouldBe(docker);

    [Fact]
    public async Task Another_word_is_no_answer()
    {
        var failure = await Should.ThrowAsync<ServerStartException>(() => ChooseAsync("podman", null));

        failure.Message.ShouldContain("'podman'");
        failure.Message.ShouldContain("'local' or 'docker'");
    }

    [Theory]
    [InlineData("unix:///nowhere/docker.sock")]
    [InlineData("tcp://127.0.0.1:1")]
    [InlineData("no address")]
    public async Task An_engine_that_does_not_answer_is_not_used(string host) => (await ChooseAsync(null, host)).ShouldBeFalse();

    [Theory]
    [InlineData(200, true)]
    [InlineData(503, false)]
    public async Task An_engine_that_answers_at_its_socket_is_used(int status, bool used)
    {
        var directory = Directory.CreateTempSubdirectory("broker-engine-");
        try
        {
            var socket = Path.Combine(directory.FullName, "docker.sock");
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(server => server.ListenUnixSocket(socket));
            await using var engine = builder.Build();
            engine.Map("/_ping", () => Results.StatusCode(status));
            await engine.StartAsync(TestContext.Current.CancellationToken);

            (await ChooseAsync("", $"unix://{socket}")).ShouldBe(used);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static Task<bool> ChooseAsync(string? asked, string? host) =>
        DockerEngine.ChooseAsync(name => name switch { DockerEngine.Variable => asked, "DOCKER_HOST" => host, _ => null });
}
