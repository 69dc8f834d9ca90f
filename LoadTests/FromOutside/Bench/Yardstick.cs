using System.Buffers.Text;
using System.Collections.Concurrent;
using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// What a claim is measured against: a process of its own with the broker's web server settings, whose <c>/empty</c> does
/// nothing at all and whose <c>/authenticated</c> only proves the caller: a token's RS256 signature the first time, its
/// remembered SHA-256 from then on, as the broker does.
/// </summary>
internal sealed class Yardstick : IAsyncDisposable
{
    private readonly ChildProcess process;
    private readonly PrivateDirectory directory;

    private Yardstick(ChildProcess process, PrivateDirectory directory, Uri address)
    {
        this.process = process;
        this.directory = directory;
        Empty = new Uri(address, "/empty");
        Authenticated = new Uri(address, "/authenticated");
    }

    public Uri Empty { get; }

    public Uri Authenticated { get; }

    public int ProcessId => process.Id;

    public static Task<Yardstick> StartAsync(LocalIdentity identity, CancellationToken cancellation) => LoopbackPort.StartOnAsync(async port =>
    {
        var directory = await PrivateDirectory.CreateAsync("yardstick", owner: null);
        ChildProcess? process = null;
        try
        {
            var keys = Path.Combine(directory.Path, "jwks.json");
            await identity.WriteJwksFileAsync(keys, cancellation);
            var address = new Uri($"http://127.0.0.1:{port}");
            process = await ChildProcess.StartAsync(new()
            {
                Program = ServerProgram.DotNet(),
                Arguments = [typeof(Yardstick).Assembly.Location, "yardstick", "--url", address.OriginalString, "--jwks-file", keys],
                LogFile = Path.Combine(directory.Path, "yardstick.log"),
                WorkingDirectory = directory.Path,
            });
            var yardstick = new Yardstick(process, directory, address);
            using var client = new HttpClient();
            await process.ReadyAsync(cancel => AnswersAsync(client, yardstick.Empty, cancel), TimeSpan.FromSeconds(30), cancellation);
            return yardstick;
        }
        catch
        {
            if (process is not null)
                await process.DisposeAsync();
            await directory.DisposeAsync();
            throw;
        }
    });

    /// <summary><c>loadtests yardstick</c>: the process itself.</summary>
    public static Command CreateCommand()
    {
        var url = new Option<string>("--url") { Required = true };
        var keys = new Option<FileInfo>("--jwks-file") { Required = true };
        var command = new Command("yardstick", "The empty endpoints that bench measures against.") { url, keys };
        command.Hidden = true;
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var app = Build(parsed.GetValue(url)!, await File.ReadAllBytesAsync(parsed.GetValue(keys)!.FullName, cancellation));
            await app.StartAsync(cancellation);
            await ((IHost)app).WaitForShutdownAsync(cancellation);
        });
        return command;
    }

    public async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        await directory.DisposeAsync();
    }

    private static async Task<bool> AnswersAsync(HttpClient client, Uri address, CancellationToken cancellation)
    {
        try
        {
            using var answer = await client.GetAsync(address, cancellation);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static WebApplication Build(string url, byte[] jwks)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(url).ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestHeadersTotalSize = 48 * 1024;
        });
        var app = builder.Build();
        var door = new RememberingDoor(jwks);
        RequestDelegate empty = static _ => Task.CompletedTask;
        RequestDelegate authenticated = context =>
        {
            if (!door.Proves(context.Request.Headers.Authorization.ToString())) context.Response.StatusCode = 401;
            return Task.CompletedTask;
        };
        app.MapMethods("/empty", ["GET", "POST"], empty);
        app.MapMethods("/authenticated", ["GET", "POST"], authenticated);
        return app;
    }

    private sealed class RememberingDoor
    {
        private readonly RSA key;
        private readonly ConcurrentDictionary<UInt128, bool> proven = new();

        public RememberingDoor(byte[] jwks)
        {
            using var document = JsonDocument.Parse(jwks);
            var first = document.RootElement.GetProperty("keys")[0];
            key = RSA.Create(new RSAParameters
            {
                Modulus = Base64Url.DecodeFromChars(first.GetProperty("n").GetString()),
                Exponent = Base64Url.DecodeFromChars(first.GetProperty("e").GetString()),
            });
        }

        public bool Proves(string header)
        {
            const string Scheme = "Bearer ";
            if (!header.StartsWith(Scheme, StringComparison.Ordinal)) return false;
            var token = header.AsSpan(Scheme.Length);
            Span<byte> bytes = stackalloc byte[4096];
            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            if (!Encoding.ASCII.TryGetBytes(token, bytes, out var length)) return false;
            SHA256.HashData(bytes[..length], hash);
            var known = System.Runtime.InteropServices.MemoryMarshal.Read<UInt128>(hash);
            if (proven.ContainsKey(known)) return true;
            var dot = bytes[..length].LastIndexOf((byte)'.');
            var good = dot > 0 && key.VerifyData(
                bytes[..dot], Base64Url.DecodeFromUtf8(bytes[(dot + 1)..length]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            if (good) proven[known] = true;
            return good;
        }
    }
}
