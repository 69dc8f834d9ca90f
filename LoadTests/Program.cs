using System.CommandLine;
using LoadTests.Servers;

var root = new RootCommand("Runs real rollouts against the broker, and the servers they need.")
{
    ServersCommand.Create(),
};
return await root.Parse(args).InvokeAsync();
