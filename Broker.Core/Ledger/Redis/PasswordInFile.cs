using StackExchange.Redis;
using StackExchange.Redis.Configuration;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// The client asks for the password at each connect. Everything else is the client's default for the service at that address: Azure's
/// speak TLS without being told to.
/// </summary>
internal sealed class PasswordInFile(string file, DefaultOptionsProvider usual, UnreadableFiles unreadable) : DefaultOptionsProvider
{
    public override string? Password
    {
        get
        {
            try
            {
                return File.ReadAllText(file).Trim();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                unreadable.Tell(file, e.Message);
                return null;
            }
        }
    }

    public override Version DefaultVersion => usual.DefaultVersion;

    public override RedisProtocol? Protocol => usual.Protocol;

    public override MaintenanceNotificationMode MaintenanceNotifications => usual.MaintenanceNotifications;

    public override bool GetDefaultSsl(EndPointCollection endPoints) => usual.GetDefaultSsl(endPoints);

    public override string? GetSslHostFromEndpoints(EndPointCollection endPoints) => usual.GetSslHostFromEndpoints(endPoints);

    public override Task AfterConnectAsync(ConnectionMultiplexer multiplexer, Action<string> log) => usual.AfterConnectAsync(multiplexer, log);
}
