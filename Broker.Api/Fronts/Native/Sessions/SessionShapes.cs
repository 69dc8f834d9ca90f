using System.Text.Json.Serialization;
using Broker.Core.Sessions;

namespace Broker.Api.Fronts.Native.Sessions;

/// <summary>The request of a pipeline that exchanges its token.</summary>
/// <param name="Roles">The roles the session is for, 1 to 50; the caller must be allowed each.</param>
/// <param name="LifetimeSeconds">How long it lives unless renewed, at least 60; the default and the maximum are configured.</param>
public sealed record SessionRequest(IReadOnlyList<string>? Roles, int? LifetimeSeconds);

/// <summary>A session.</summary>
/// <param name="Id">Its id, which is not secret.</param>
/// <param name="Token">Its bearer token, returned only once; null when the session is only shown.</param>
/// <param name="Roles">The roles it was given for.</param>
/// <param name="Issuer">Who proved its pipeline.</param>
/// <param name="Subject">Its pipeline.</param>
/// <param name="OpenedAt">When it was opened.</param>
/// <param name="ExpiresAt">Its end unless it is renewed.</param>
public sealed record SessionShape(
    string Id, string? Token, IReadOnlyList<string> Roles, string Issuer, string Subject, DateTimeOffset OpenedAt, DateTimeOffset ExpiresAt)
{
    internal static SessionShape Of(SessionAnswer session) => new(
        session.Id, session.Token?.Reveal(), session.Roles, session.Issuer, session.Subject, session.OpenedAt, session.ExpiresAt);
}

[JsonSerializable(typeof(SessionRequest))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, AllowDuplicateProperties = false)]
internal sealed partial class SessionJson : JsonSerializerContext;
