using System.Security.Claims;
using System.Text.Encodings.Web;
using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Api.Page;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Broker.Tests.Page;

/// <summary>The page as the broker serves it, over answers that a test writes.</summary>
public sealed class PageServer : IAsyncDisposable
{
    private readonly WebApplication app;

    private PageServer(WebApplication app) => this.app = app;

    public Uri Address => new(app.Urls.Single());

    /// <summary>The answers by path; what is not there is answered with <see cref="Status"/>.</summary>
    public JsonObject Answers { get; } = [];

    public int Status { get; set; } = 404;

    public static async Task<PageServer> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddAuthentication("Bearer").AddScheme<AuthenticationSchemeOptions, AnyToken>("Bearer", null);
        builder.Services.AddAuthorizationBuilder().AddPolicy(Policies.Viewer, policy => policy.RequireUserName("viewer"));
        var app = builder.Build();
        var server = new PageServer(app);
        app.MapPage();
        app.Map("/api/v1/{**rest}", (HttpContext context) =>
        {
            lock (server.Answers)
            {
                return server.Answers[context.Request.Path.Value!] is { } answer
                    ? Results.Text(answer.ToJsonString(), "application/json")
                    : Results.StatusCode(server.Status);
            }
        }).RequireAuthorization(Policies.Viewer);
        await app.StartAsync();
        return server;
    }

    public HttpClient Client(string? user)
    {
        var client = new HttpClient { BaseAddress = Address };
        if (user is not null) client.DefaultRequestHeaders.Authorization = new("Bearer", user);
        return client;
    }

    public void Answer(string path, string json)
    {
        lock (Answers) Answers[path] = JsonNode.Parse(json);
    }

    public void StopAnswering(int status)
    {
        lock (Answers) Answers.Clear();
        Status = status;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    /// <summary>The token is the user's name: who may look is what is tested here, not how tokens prove it.</summary>
    private sealed class AnyToken(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            var token = Request.Headers.Authorization.ToString();
            if (!token.StartsWith("Bearer ", StringComparison.Ordinal)) return Task.FromResult(AuthenticateResult.NoResult());
            var user = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, token[7..])], Scheme.Name));
            return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(user, Scheme.Name)));
        }
    }
}
