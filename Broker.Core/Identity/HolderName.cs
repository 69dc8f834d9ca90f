namespace Broker.Core.Identity;

/// <summary>
/// The name of a holder's connections inside the database, so that <c>pg_stat_activity</c> and the like show who holds what
/// although many pods share one user: <c>orders/orders-api-6f7c9d-x2x9q~sfSfGIpv</c>. That is the caller as people know it
/// (<see cref="Caller.DisplayName"/>: <c>namespace/pod</c>, or the token's subject), <c>~</c>, and the last 8 characters of the
/// holder's id, its key, which tells apart the processes of one pod. At most 63 characters of <c>A-Z a-z 0-9 . _ - / ~</c>: whatever
/// else a subject has becomes <c>_</c>, and of a long one the middle is left out (<c>..</c>), because a pod's name differs in its end.
/// Every connection string has it: as <c>application_name</c> (PostgreSQL, which cuts after 63 bytes), as <c>program_name</c> among the
/// connection attributes (MySQL, MariaDB), as <c>appName</c> (MongoDB). A client may name itself otherwise, so it proves nothing.
/// </summary>
public static class HolderName
{
    /// <summary>The maximum length of a name, in characters and in bytes.</summary>
    public const int Longest = 63;

    private const int KeyLength = 8;
    private const char Separator = '~';
    private const int LongestCaller = Longest - KeyLength - 1;
    private const int Beginning = 20;

    /// <summary>The name.</summary>
    /// <param name="caller">The caller as people know it.</param>
    /// <param name="holder">The holder's id.</param>
    public static string Of(string caller, string holder)
    {
        Span<byte> name = stackalloc byte[Longest];
        return System.Text.Encoding.ASCII.GetString(name[..Write(caller, holder, name)]);
    }

    /// <summary>Writes the name, in ASCII.</summary>
    /// <returns>How many bytes it has.</returns>
    /// <param name="caller">The caller as people know it.</param>
    /// <param name="holder">The holder's id.</param>
    /// <param name="to">At least <see cref="Longest"/> bytes.</param>
    public static int Write(ReadOnlySpan<char> caller, ReadOnlySpan<char> holder, Span<byte> to)
    {
        var length = 0;
        if (caller.Length <= LongestCaller)
        {
            Append(caller, to, ref length);
        }
        else
        {
            Append(caller[..Beginning], to, ref length);
            Append("..", to, ref length);
            Append(caller[^(LongestCaller - Beginning - 2)..], to, ref length);
        }

        Append([Separator], to, ref length);
        Append(KeyOf(holder), to, ref length);
        return length;
    }

    /// <summary>The part of a holder's id that its name ends with.</summary>
    public static ReadOnlySpan<char> KeyOf(ReadOnlySpan<char> holder) => holder.Length <= KeyLength ? holder : holder[^KeyLength..];

    /// <summary>Reads the holder's key from the name of a connection; false when the name is not one of the broker's.</summary>
    /// <param name="name">What the database shows, e.g. <c>application_name</c>.</param>
    /// <param name="key">To compare with <see cref="KeyOf"/> of the holders of that connection's user.</param>
    public static bool TryReadKey(ReadOnlySpan<char> name, out ReadOnlySpan<char> key)
    {
        var named = name.Length is > KeyLength and <= Longest && name[^(KeyLength + 1)] == Separator;
        key = named ? name[^KeyLength..] : default;
        return named && !key.Contains(Separator);
    }

    private static void Append(ReadOnlySpan<char> text, Span<byte> to, ref int length)
    {
        foreach (var letter in text)
            to[length++] = char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-' or '/' or Separator ? (byte)letter : (byte)'_';
    }
}
