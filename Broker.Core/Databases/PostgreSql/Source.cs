using System.Runtime.InteropServices;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// A data source for a connection string, even with several hosts: the driver reads the choice among them from the string
/// only for plain connections, so it is passed separately. With a single host there is no choice.
/// </summary>
internal sealed class Source : IAsyncDisposable
{
    private const string GssMode = "GSS Encryption Mode";
    private static readonly bool HasKerberos = !OperatingSystem.IsLinux() || NativeLibrary.TryLoad("libgssapi_krb5.so.2", out _);

    private readonly NpgsqlDataSource owner;

    public Source(NpgsqlConnectionStringBuilder settings)
    {
        var several = settings.Host?.Contains(',', StringComparison.Ordinal) == true;
        var wanted = several ? settings.TargetSessionAttributes : null;
        var plain = new NpgsqlConnectionStringBuilder(settings.ConnectionString) { TargetSessionAttributes = null };
        if (!several) plain.LoadBalanceHosts = false;
        // .NET's images have no Kerberos: the driver would find that out at each connection, and the runtime would report it on standard error.
        if (!HasKerberos && !plain.ShouldSerialize(GssMode)) plain.GssEncryptionMode = GssEncryptionMode.Disable;
        var builder = new NpgsqlDataSourceBuilder(plain.ConnectionString);
        // The driver would look types up with names in the search path, where somebody's operator may fit better than the server's (law L13).
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        if (!several)
        {
            owner = Connections = builder.Build();
            return;
        }

        var hosts = builder.BuildMultiHost();
        (owner, Connections) = (hosts, wanted is null ? hosts : hosts.WithTargetSession(Parse(wanted)));
    }

    /// <summary>Opens connections.</summary>
    public NpgsqlDataSource Connections { get; }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => owner.DisposeAsync();

    private static TargetSessionAttributes Parse(string wanted) =>
        Enum.Parse<TargetSessionAttributes>(wanted.Replace("-", "", StringComparison.Ordinal), ignoreCase: true);
}
