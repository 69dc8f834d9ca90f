using System.Diagnostics;
using Broker.Api.Authentication;
using Broker.Api.Telemetry;
using Microsoft.AspNetCore.Http;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>Ids of requests that nothing traces.</summary>
public sealed class TraceIdsTests
{
    private const string OfCaller = "4bf92f3577b34da6a3ce929d0e0e4736";

    [Fact]
    public void A_request_belongs_to_the_trace_that_its_caller_names() => Given($"00-{OfCaller}-00f067aa0ba902b7-01").ShouldBe(OfCaller);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("00-00000000000000000000000000000000-00f067aa0ba902b7-01")]
    [InlineData("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")] // the specification wants small letters
    [InlineData("00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01")]
    public void A_request_that_names_no_trace_gets_an_id_of_its_own(string? traceparent)
    {
        var (one, other) = (Given(traceparent), Given(traceparent));

        foreach (var id in new[] { one, other })
        {
            id.Length.ShouldBe(32);
            id.ShouldAllBe(letter => char.IsAsciiHexDigitLower(letter));
        }

        one.ShouldNotBe(other);
        one.ShouldNotBe(OfCaller);
    }

    [Fact]
    public void A_request_that_is_traced_has_the_id_of_its_trace()
    {
        using var span = new Activity("request").SetIdFormat(ActivityIdFormat.W3C).Start();
        Given($"00-{OfCaller}-00f067aa0ba902b7-01").ShouldBe(span.TraceId.ToHexString());
    }

    private static string Given(string? traceparent)
    {
        var context = new DefaultHttpContext();
        if (traceparent is not null) context.Request.Headers.TraceParent = traceparent;
        TraceIds.Give(context);
        return context.TraceId();
    }
}
