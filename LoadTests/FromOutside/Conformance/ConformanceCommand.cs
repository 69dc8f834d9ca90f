using System.CommandLine;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace LoadTests.FromOutside.Conformance;

/// <summary><c>loadtests vault-conformance</c>: whether a server that says it is like Vault is so where clients rely on it.</summary>
internal static class ConformanceCommand
{
    public static Command Create()
    {
        var url = new Option<Uri>("--url") { Description = "The server, e.g. http://127.0.0.1:8200.", Required = true };
        var path = new Option<string>("--path") { Description = "What is read.", DefaultValueFactory = _ => "database/creds/app" };
        var token = new Option<string?>("--token") { Description = "A token to use instead of a login (the environment's VAULT_TOKEN when no login is given)." };
        var mount = new Option<string>("--mount") { Description = "The auth mount of the login.", DefaultValueFactory = _ => "kubernetes" };
        var role = new Option<string?>("--role") { Description = "The role of a login with a JSON Web Token." };
        var jwtFile = new Option<FileInfo?>("--jwt-file") { Description = "The file of that token." };
        var roleId = new Option<string?>("--role-id") { Description = "The role id of a login by AppRole." };
        var secretIdFile = new Option<FileInfo?>("--secret-id-file") { Description = "The file of its secret id." };
        var command = new Command("vault-conformance", "Test what Vault's clients rely on against a server, and print a row for each check. Makes a few leases and revokes them. Exit code 1 when something deviates.")
        {
            url, path, token, mount, role, jwtFile, roleId, secretIdFile,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var login = new JsonObject();
            if (parsed.GetValue(roleId) is { } id) (login["role_id"], login["secret_id"]) = (id, await ReadAsync(parsed.GetValue(secretIdFile), cancellation));
            else if (parsed.GetValue(jwtFile) is { } file) (login["role"], login["jwt"]) = (parsed.GetValue(role), await ReadAsync(file, cancellation));
            var settings = new ConformanceSettings
            {
                Path = parsed.GetValue(path)!.Trim('/'),
                LoginPath = login.Count > 0 ? $"auth/{parsed.GetValue(mount)!.Trim('/')}/login" : null,
                Login = login,
                Token = parsed.GetValue(token) ?? (login.Count > 0 ? null : Environment.GetEnvironmentVariable("VAULT_TOKEN")),
            };
            using var client = new HttpClient { BaseAddress = parsed.GetValue(url), Timeout = TimeSpan.FromSeconds(60) };
            return Write(AnsiConsole.Console, await ConformanceChecks.RunAsync(new ConformanceRun(client, settings, cancellation)));
        });
        return command;
    }

    private static async Task<string?> ReadAsync(FileInfo? file, CancellationToken cancellation) => file is null ? null : (await File.ReadAllTextAsync(file.FullName, cancellation)).Trim();

    private static int Write(IAnsiConsole console, IReadOnlyList<(ConformanceCheck Check, string? Found)> found)
    {
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = 200;
        var table = new Table().AddColumns("", "expected", "relied on by", "found");
        foreach (var (check, what) in found) table.AddRow(new Text(what is null ? "ok" : "NO"), new Text(check.Name), new Text(check.Who), new Text(what ?? ""));
        console.Write(table);
        var wrong = found.Count(row => row.Found is not null);
        console.WriteLine($"{found.Count - wrong} of {found.Count} as Vault does.");
        return wrong == 0 ? 0 : 1;
    }
}
