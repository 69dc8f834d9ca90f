using System.CommandLine;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary><c>broker rotate</c>, <c>pause</c>, <c>drain</c>, <c>resume</c>, <c>revoke</c> and <c>end-holder</c>: orders, each with a reason that the audit keeps.</summary>
internal static class OrderCommands
{
    public static Command Rotate(IAnsiConsole console) =>
        OnRole(console, "rotate", "Gives a role's holders a new database user, without cutting anybody off.", "Role '{0}' gets a new lease; its holders move to it when they renew. `broker leases` shows how far they are.");

    public static Command Pause(IAnsiConsole console) =>
        OnRole(console, "pause", "Stops granting a role to new holders; current holders keep it. `broker resume` undoes it.", "Role '{0}' is paused: no new holder gets it.");

    public static Command Drain(IAnsiConsole console) =>
        OnRole(console, "drain", "Stops granting a role to new holders and gives its holders no more time. `broker resume` undoes it.", "Role '{0}' is being drained; `broker holders --role {0}` shows who is left.");

    public static Command Resume(IAnsiConsole console) =>
        OnRole(console, "resume", "Lets a paused or drained role be granted again.", "Role '{0}' is granted again.");

    public static Command Revoke(IAnsiConsole console)
    {
        var lease = new Argument<string>("lease") { Description = "The lease's id." };
        var reason = Reason();
        return new RemoteOptions().Ordering(
            new("revoke", "Ends a lease now: its user is dropped and its sessions are ended, whoever holds it.") { lease, reason }, console,
            async (broker, result, cancellation) =>
            {
                var id = result.GetRequiredValue(lease);
                await broker.SendAsync(HttpMethod.Post, $"api/v1/leases/{Uri.EscapeDataString(id)}/revoke", new { reason = result.GetRequiredValue(reason) }, cancellation);
                return $"Lease {id} is being revoked.";
            });
    }

    public static Command EndHolder(IAnsiConsole console)
    {
        var holder = new Argument<string>("holder") { Description = "The holder's id." };
        var reason = Reason();
        return new RemoteOptions().Ordering(
            new("end-holder", "Ends one holder: its connections become free, and its pod is told to ask again.") { holder, reason }, console,
            async (broker, result, cancellation) =>
            {
                var id = result.GetRequiredValue(holder);
                await broker.SendAsync(HttpMethod.Post, $"api/v1/holders/{Uri.EscapeDataString(id)}/end", new { reason = result.GetRequiredValue(reason) }, cancellation);
                return $"Holder {id} has ended.";
            });
    }

    private static Command OnRole(IAnsiConsole console, string verb, string description, string done)
    {
        var role = new Argument<string>("role") { Description = "The role." };
        var reason = Reason();
        return new RemoteOptions().Ordering(
            new(verb, description) { role, reason }, console,
            async (broker, result, cancellation) =>
            {
                var name = result.GetRequiredValue(role);
                await broker.SendAsync(HttpMethod.Post, $"api/v1/roles/{Uri.EscapeDataString(name)}/{verb}", new { reason = result.GetRequiredValue(reason) }, cancellation);
                return done.Replace("{0}", name, StringComparison.Ordinal);
            });
    }

    /// <summary>The reason, which every order needs.</summary>
    internal static Option<string> Reason() => new("--reason") { Description = "Why, in your own words (1 to 500 characters); the audit keeps it.", Required = true };
}
