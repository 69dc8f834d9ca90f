using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Broker.Api.Commands;
using Shouldly;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary><c>broker secret-id</c>.</summary>
public sealed class SecretIdCommandTests
{
    [Fact]
    public void The_command_prints_a_new_secret_id_each_time_and_the_hash_that_the_configuration_takes()
    {
        var (one, other) = (Run(), Run());

        one[0].ShouldNotBe(other[0]);
        one[1].ShouldBe(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(one[0]))));
    }

    private static string[] Run()
    {
        using var output = new StringWriter();
        SecretIdCommand.Create().Parse([]).Invoke(new InvocationConfiguration { Output = output }).ShouldBe(0);
        return [.. output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim())];
    }
}
