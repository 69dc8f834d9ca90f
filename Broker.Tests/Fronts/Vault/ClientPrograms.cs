using System.Text.Json.Nodes;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Runs third-party clients, with small programs that use them as their manuals say.</summary>
internal static class ClientPrograms
{
    private const string Folder = "Fronts/Vault/Clients";

    /// <summary>Debian's Python, which has <c>python3-hvac</c>; another one on the path may not.</summary>
    public static Task<IReadOnlyDictionary<string, JsonObject>> PythonAsync(string program, params string[] arguments) =>
        StepsAsync("/usr/bin/python3", [program, .. arguments], "apt-get install python3-hvac");

    public static async Task<IReadOnlyDictionary<string, JsonObject>> NodeAsync(string program, params string[] arguments)
    {
        await NpmPackages.InstallAsync(Folder);
        return await StepsAsync("node", [program, .. arguments], "apt-get install nodejs npm");
    }

    // Each line is a step and what was seen in it.
    private static async Task<IReadOnlyDictionary<string, JsonObject>> StepsAsync(string program, string[] arguments, string install) =>
        (await TestProgram.RunAsync(program, arguments, install, Folder)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonNode.Parse(line)!.AsObject())
            .ToDictionary(step => (string)step["step"]!, StringComparer.Ordinal);
}
