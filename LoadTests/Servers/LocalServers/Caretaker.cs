using System.Diagnostics;

namespace LoadTests.Servers.LocalServers;

/// <summary>
/// A shell beside this process that removes our directories when we end without doing so ourselves. It reads from a pipe
/// only we hold: however we die, the pipe closes. The processes in the directories are ended by the kernel
/// (see <see cref="ChildProcess"/>); the caretaker only waits for them, ten seconds at most.
/// </summary>
internal static class Caretaker
{
    private const string Script =
        """
        trap '' INT TERM HUP
        exec >/dev/null 2>&1
        processes=
        while IFS=' ' read -r what value; do
          case $what in
            directory) set -- "$@" "$value" ;;
            process) processes="$processes $value" ;;
          esac
        done
        tries=0
        for process in $processes; do
          while kill -0 "$process" && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
        done
        tries=0
        until rm -rf -- "$@" || [ "$tries" -ge 50 ]; do sleep 0.1; tries=$((tries + 1)); done
        """;

    private static readonly Lazy<StreamWriter> Ears = new(() =>
    {
        var shell = Process.Start(new ProcessStartInfo("setsid")
        {
            ArgumentList = { "sh", "-c", Script },
            RedirectStandardInput = true,
            WorkingDirectory = "/",
        }) ?? throw new ServerStartException("The shell that cleans up after a crash could not be started.");
        shell.StandardInput.AutoFlush = true;
        return shell.StandardInput;
    });

    public static void Mind(string directory) => Tell($"directory {directory}");

    public static void AwaitEndOf(int process) => Tell($"process {process}");

    private static void Tell(string line)
    {
        lock (Ears)
            Ears.Value.Write(line + "\n");
    }
}
