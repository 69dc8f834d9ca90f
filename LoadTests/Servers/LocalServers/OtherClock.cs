namespace LoadTests.Servers.LocalServers;

/// <summary>
/// Makes a process see a wall clock that is off, by libfaketime (https://github.com/wolfcw/libfaketime), which stands between it and
/// libc. Its timers, which go by the monotonic clock, stay as they are.
/// </summary>
internal static class OtherClock
{
    /// <summary>The environment of a process whose clock is so far ahead; behind, when negative. Whole seconds.</summary>
    /// <exception cref="ServerStartException">libfaketime is not on this machine; the message holds the command that installs it.</exception>
    public static IReadOnlyDictionary<string, string> Ahead(TimeSpan offset) => new Dictionary<string, string>
    {
        ["LD_PRELOAD"] = Library(),
        ["FAKETIME"] = $"{(int)offset.TotalSeconds:+0;-0}",
        ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
        // Its workaround for some C libraries, on by itself with glibc, has waits of threads time out seconds late (its README).
        ["FAKETIME_FORCE_MONOTONIC_FIX"] = "0",
    };

    // Debian has it in a folder for the kind of processor.
    private static string Library() => ServerProgram.Find(
        "libfaketimeMT.so.1", "libfaketime", Directory.EnumerateDirectories("/usr/lib").Select(directory => Path.Combine(directory, "faketime")));
}
