using Broker.Api.Authentication;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

public sealed class TokenClaimsTests
{
    [Fact]
    public void What_a_token_said_is_found_by_its_whole_name_in_the_order_said()
    {
        var claims = new TokenClaims([("groups", "b"), ("sub", "me"), ("groups", "a"), ("Sub", "other")]);

        claims["groups"].ShouldBe(["b", "a"]);
        claims["sub"].ShouldBe(["me"]);
        claims["Sub"].ShouldBe(["other"]);
        claims["su"].ShouldBeEmpty();
        claims.Contains("groups").ShouldBeTrue();
        claims.Contains("group").ShouldBeFalse();
        claims.Count.ShouldBe(3);
        claims.ToDictionary(claim => claim.Key, claim => claim.ToArray())["groups"].ShouldBe(["b", "a"]);
    }

    [Fact]
    public async Task Tokens_checked_at_once_never_mix_their_claims()
    {
        await Parallel.ForAsync(0, 20_000, TestContext.Current.CancellationToken, (i, _) =>
        {
            // Other names by turns, so that the names kept for all change all the time.
            var claims = new TokenClaims([($"name-{i % 3}", $"value-{i}"), ("sub", $"subject-{i % 7}")]);
            claims[$"name-{i % 3}"].ShouldBe([$"value-{i}"]);
            claims["sub"].ShouldBe([$"subject-{i % 7}"]);
            claims[$"name-{(i + 1) % 3}"].ShouldBeEmpty();
            return ValueTask.CompletedTask;
        });
    }
}
