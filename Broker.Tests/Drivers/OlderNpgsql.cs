using System.Data.Common;
using System.Reflection;
using System.Runtime.ExceptionServices;
using System.Runtime.Loader;

namespace Broker.Tests.Drivers;

/// <summary>A version of Npgsql that pods may have, beside the broker's own in one process.</summary>
public sealed class OlderNpgsql
{
    private readonly Assembly driver;

    private OlderNpgsql(int major)
    {
        var file = Path.Combine(AppContext.BaseDirectory, "Drivers", $"Npgsql{major}", "Npgsql.dll");
        driver = new AssemblyLoadContext($"Npgsql {major}").LoadFromAssemblyPath(file);
        if (driver.GetName().Version?.Major != major) throw new InvalidOperationException($"{file} is {driver.FullName}.");
        Name = $"npgsql {major}";
    }

    /// <summary>Versions 8 and 9.</summary>
    public static IReadOnlyList<OlderNpgsql> All { get; } = [new(8), new(9)];

    /// <summary>As tests call it.</summary>
    public string Name { get; }

    /// <summary>A string as this version reads it; one that it does not understand it refuses.</summary>
    public DbConnectionStringBuilder Read(string text) => (DbConnectionStringBuilder)New("NpgsqlConnectionStringBuilder", text);

    /// <summary>A connection that is to be opened.</summary>
    public DbConnection Connect(string text) => (DbConnection)New("NpgsqlConnection", text);

    /// <summary>A pool of connections.</summary>
    public DbDataSource Pool(string text) => (DbDataSource)Unwrapped(() => TypeOf("NpgsqlDataSource").GetMethod("Create", [typeof(string)])!.Invoke(null, [text])!);

    private object New(string type, string text) => Unwrapped(() => Activator.CreateInstance(TypeOf(type), text)!);

    private Type TypeOf(string name) => driver.GetType("Npgsql." + name, throwOnError: true)!;

    private static object Unwrapped(Func<object> call)
    {
        try
        {
            return call();
        }
        catch (TargetInvocationException wrapped) when (wrapped.InnerException is { } inner)
        {
            ExceptionDispatchInfo.Throw(inner);
            throw;
        }
    }
}
