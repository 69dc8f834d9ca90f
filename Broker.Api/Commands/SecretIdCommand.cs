using System.CommandLine;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Api.Commands;

/// <summary>
/// <c>broker secret-id</c>: for a caller that logs in by AppRole. The first line goes to the caller, the second into the
/// configuration; nothing else knows the secret id.
/// </summary>
internal static class SecretIdCommand
{
    public static Command Create()
    {
        var command = new Command("secret-id", "Prints a secret id for a caller that logs in by AppRole, and its hash for Broker:VaultApi:AuthMounts.");
        command.SetAction(result =>
        {
            // As random as Vault's own, and in the same form.
            var secretId = new Guid(RandomNumberGenerator.GetBytes(16)).ToString();
            result.InvocationConfiguration.Output.WriteLine($"secret id: {secretId}");
            result.InvocationConfiguration.Output.WriteLine($"Hash:      {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secretId)))}");
            return ExitCodes.Done;
        });
        return command;
    }
}
