using Broker.Core.Catalog;
using Npgsql;
using static Broker.Core.Databases.StringParts;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>What drivers' strings cannot say of how pods are to connect; each is null when there is nothing to tell.</summary>
internal sealed class DriverNotes(PodView pods)
{
    public string? Libpq() => Notes(
        Lacks(),
        InOrder("; from version 16 on load_balance_hosts=random is there to be added"),
        pods.Authentication is null ? null : "It knows require_auth from version 16 on, and refuses the string before.",
        pods.Direct ? "It knows sslnegotiation from version 17 on, and refuses the string before." : null,
        NoRevocations(),
        RootFile(),
        PreferPrimary());

    // https://www.npgsql.org/doc/release-notes/9.0.html, 10.0.html
    public string? NotBefore10()
    {
        var newer = string.Join(" and ", new[]
        {
            pods.Gss == GssEncryptionMode.Prefer ? null : "GSS Encryption Mode",
            pods.Authentication is null ? null : "Require Auth",
            pods.Direct ? "SSL Negotiation" : null,
        }.Where(keyword => keyword is not null));
        return newer.Length == 0 ? null : $"Versions before 10 do not know {newer}, and refuse the string: they take npgsql<10.";
    }

    public string? Before10() => Notes(
        AnyProof(),
        NoDirect(),
        pods.Session is null ? null : "NpgsqlDataSource takes no Target Session Attributes from a string before version 10: take it out, and call BuildMultiHost().WithTargetSession(…); NpgsqlConnection takes it.");

    public string? RootFile() => pods.Verifies && pods.Files.CaFile is null
        ? "It verifies the server by ~/.postgresql/root.crt; give another file as sslrootcert (PGSSLROOTCERT), or write Pods:CaFile in the broker's configuration."
        : null;

    public string? Lacks() => Notes(
        pods.LacksCertificate ? NoCertificate : null,
        pods.LacksAuthority ? NoAuthority : null,
        pods.SessionElsewhere is { } session ? $"The broker wants a host that is {session} of its own several; these are others, and any of them is taken." : null);

    public string? InOrder(string more = "") => pods.Random ? $"It takes the hosts in their order{more}." : null;

    public string? NoRevocations() => pods.LooksUpRevocations ? "It does not look up whether the server's certificate was revoked." : null;

    public string? NoChoice() => Notes(NoRevocations(), AnyProof());

    private string? AnyProof() => pods.Authentication is null ? null : "It proves the password in whichever way the server asks for.";

    public string? PreferPrimary() => pods.Session is "prefer-primary" ? "It cannot prefer a primary: it takes any of the hosts." : null;

    public string? NotPreferred() => pods.Ssl == PodSslMode.Prefer
        ? "It cannot prefer TLS, and connects without; write SslMode=Require in the administrator's connection string, or Pods:SslMode, where the server has TLS."
        : null;

    public string? NoBinding() => pods.Binding == ChannelBinding.Require ? "It cannot demand channel binding." : null;

    public string? NoDirect() => pods.Direct ? "It asks the server for TLS first, where others begin with it." : null;
}
