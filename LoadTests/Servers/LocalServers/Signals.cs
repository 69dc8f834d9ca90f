using System.ComponentModel;
using System.Runtime.InteropServices;

namespace LoadTests.Servers.LocalServers;

/// <summary>The signals sent to local servers, by their Linux numbers.</summary>
public enum Signal
{
    /// <summary>Asks whether the process is there; sends nothing.</summary>
    None = 0,

    /// <summary>PostgreSQL's fast shutdown.</summary>
    Interrupt = 2,

    /// <summary>Ends at once; cannot be caught.</summary>
    Kill = 9,

    /// <summary>Asks to end.</summary>
    Terminate = 15,

    /// <summary>Lets a stopped process go on.</summary>
    Continue = 18,

    /// <summary>Holds the process; cannot be caught.</summary>
    Stop = 19,
}

/// <summary>Sends signals, which .NET's Process cannot.</summary>
internal static class Signals
{
    private const int NoSuchProcess = 3;

    /// <returns>False when there is no such process.</returns>
    public static bool Send(int process, Signal signal)
    {
        if (Kill(process, (int)signal) == 0)
            return true;
        var error = Marshal.GetLastPInvokeError();
        return error == NoSuchProcess
            ? false
            : throw new Win32Exception(error, $"Process {process} could not be sent {signal}: {Marshal.GetPInvokeErrorMessage(error)}.");
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int process, int signal);
}
