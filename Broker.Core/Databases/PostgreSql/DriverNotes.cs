using Broker.Core.Catalog;
using Npgsql;
using static Broker.Core.Databases.StringParts;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>Notes on what drivers' strings cannot express about how pods connect; each is null when it does not apply.</summary>
internal sealed class DriverNotes(PodView pods)
{
    public string? Libpq() => Notes(
        Lacks(),
        InOrder("; from version 16 on, load_balance_hosts=random can be added"),
        pods.Authentication is null ? null : "It knows require_auth from version 16 on; earlier versions refuse the string.",
        pods.Direct ? "It knows sslnegotiation from version 17 on; earlier versions refuse the string." : null,
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
        return newer.Length == 0 ? null : $"Versions before 10 do not know {newer} and refuse the string: use npgsql<10 with them.";
    }

    public string? Before10() => Notes(
        AnyProof(),
        NoDirect(),
        pods.Session is null ? null : "Before version 10, NpgsqlDataSource takes no Target Session Attributes from a string: remove it, and call BuildMultiHost().WithTargetSession(…); NpgsqlConnection takes it.");

    public string? RootFile() => pods.Verifies && pods.Files.CaFile is null
        ? "It verifies the server by ~/.postgresql/root.crt; name another file in sslrootcert (PGSSLROOTCERT), or set Pods:CaFile in the broker's configuration."
        : null;

    public string? Lacks() => Notes(
        pods.LacksCertificate ? NoCertificate : null,
        pods.LacksAuthority ? NoAuthority : null,
        pods.SessionElsewhere is { } session ? $"The broker itself asks for a {session} host; pods connect to other hosts, and take any of them." : null);

    public string? InOrder(string more = "") => pods.Random ? $"It tries the hosts in order{more}." : null;

    public string? NoRevocations() => pods.LooksUpRevocations ? "It does not check whether the server's certificate was revoked." : null;

    public string? NoChoice() => Notes(NoRevocations(), AnyProof());

    private string? AnyProof() => pods.Authentication is null ? null : "It authenticates in whichever way the server asks for.";

    public string? PreferPrimary() => pods.Session is "prefer-primary" ? "It cannot prefer a primary: it takes any of the hosts." : null;

    public string? NotPreferred() => pods.Ssl == PodSslMode.Prefer
        ? "It cannot prefer TLS, and connects without it; write SslMode=Require in the administrator's connection string, or Pods:SslMode, where the server has TLS."
        : null;

    public string? NoBinding() => pods.Binding == ChannelBinding.Require ? "It cannot require channel binding." : null;

    public string? NoDirect() => pods.Direct ? "It negotiates TLS first, where other drivers begin with TLS directly." : null;
}
