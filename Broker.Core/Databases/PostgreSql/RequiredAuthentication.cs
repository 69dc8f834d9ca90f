namespace Broker.Core.Databases.PostgreSql;

/// <summary>The ways of proving a password that the server may ask for, or may not, in the words of two kinds of clients.</summary>
/// <param name="Npgsql"><c>Require Auth</c>.</param>
/// <param name="Libpq"><c>require_auth</c>, from version 16 on.</param>
internal sealed record RequiredAuthentication(string Npgsql, string Libpq)
{
    // Leased users have passwords; a Kerberos ticket, or trust without proof, belongs to the administrator alone.
    private static readonly (string Npgsql, string Libpq)[] OfPassword = [("ScramSHA256", "scram-sha-256"), ("MD5", "md5"), ("Password", "password")];

    /// <summary>The administrator's ways that concern passwords; null: there are none.</summary>
    public static RequiredAuthentication? OfPasswords(string? required)
    {
        var words = (required ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var kept = new List<(string Npgsql, string Libpq)>();
        foreach (var word in words)
        {
            var (not, name) = word[0] == '!' ? ("!", word[1..].Trim()) : ("", word);
            if (OfPassword.FirstOrDefault(one => one.Npgsql.Equals(name, StringComparison.OrdinalIgnoreCase)) is { Npgsql: not null } method)
                kept.Add((not + method.Npgsql, not + method.Libpq));
        }

        return kept.Count == 0 ? null : new(string.Join(',', kept.Select(one => one.Npgsql)), string.Join(',', kept.Select(one => one.Libpq)));
    }
}
