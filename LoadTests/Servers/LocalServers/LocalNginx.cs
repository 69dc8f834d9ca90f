namespace LoadTests.Servers.LocalServers;

/// <summary>
/// A private nginx on 127.0.0.1 that passes everything to one address, over connections that it keeps open, with the settings that an
/// ingress of nginx has by default. Leaves nothing behind.
/// </summary>
internal sealed class LocalNginx : IAsyncDisposable
{
    private readonly PrivateDirectory directory;
    private readonly ChildProcess process;

    private LocalNginx(PrivateDirectory directory, ChildProcess process, Uri address) => (this.directory, this.process, Address) = (directory, process, address);

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>Starts one on a free port.</summary>
    /// <param name="behind">What it passes everything to.</param>
    /// <param name="options">More lines of its location, e.g. <c>proxy_request_buffering off;</c>.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="ServerStartException">It did not start, or is not installed.</exception>
    public static Task<LocalNginx> StartAsync(Uri behind, string options = "", CancellationToken cancellation = default) =>
        LoopbackPort.StartOnAsync(async port =>
        {
            var directory = await PrivateDirectory.CreateAsync("nginx", owner: null);
            var file = Path.Combine(directory.Path, "nginx.conf");
            // One process: a master that is ended at once would leave its workers behind.
            await File.WriteAllTextAsync(
                file,
                $$"""
                daemon off;
                master_process off;
                {{(Environment.IsPrivilegedProcess ? "user root;" : "")}}
                pid {{directory.Path}}/pid;
                events { worker_connections 1024; }
                http {
                  access_log off;
                  client_body_temp_path {{directory.Path}}/body;
                  proxy_temp_path {{directory.Path}}/proxy;
                  fastcgi_temp_path {{directory.Path}}/fastcgi;
                  uwsgi_temp_path {{directory.Path}}/uwsgi;
                  scgi_temp_path {{directory.Path}}/scgi;
                  upstream broker { server {{behind.Authority}}; keepalive 8; }
                  server {
                    listen 127.0.0.1:{{port}};
                    location / {
                      proxy_pass http://broker;
                      proxy_http_version 1.1;
                      proxy_set_header Connection "";
                      proxy_set_header Host $host;
                      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                      proxy_set_header X-Forwarded-Proto $scheme;
                      {{options}}
                    }
                  }
                }
                """,
                cancellation);
            var log = Path.Combine(directory.Path, "log");
            var process = await ChildProcess.StartAsync(new()
            {
                Program = ServerProgram.Find("nginx", "nginx-light", ["/usr/sbin", "/usr/local/sbin", "/usr/bin"]),
                Arguments = ["-p", directory.Path, "-c", file, "-e", "stderr"],
                LogFile = log,
                WorkingDirectory = directory.Path,
            });
            var nginx = new LocalNginx(directory, process, new($"http://127.0.0.1:{port}"));
            try
            {
                await process.ReadyAsync(nginx.IsReadyAsync, ChildProcess.StartsWithin, cancellation);
                return nginx;
            }
            catch
            {
                await nginx.DisposeAsync();
                throw;
            }
        });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        await directory.DisposeAsync();
    }

    private async Task<bool> IsReadyAsync(CancellationToken cancellation)
    {
        using var client = new HttpClient { BaseAddress = Address };
        try
        {
            using var answer = await client.GetAsync(new Uri("/health/live", UriKind.Relative), cancellation);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
