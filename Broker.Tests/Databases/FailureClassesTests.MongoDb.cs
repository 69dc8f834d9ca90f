using System.Net;
using Broker.Core.Databases;
using Broker.Core.Databases.MongoDb;
using Microsoft.Extensions.Logging.Abstractions;
using MongoDB.Bson;
using MongoDB.Driver;
using MongoDB.Driver.Core.Clusters;
using MongoDB.Driver.Core.Connections;
using MongoDB.Driver.Core.Servers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

public sealed partial class FailureClassesTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    // https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
    [Theory]
    [InlineData(24)]
    [InlineData(46)]
    [InlineData(133)]
    [InlineData(134)]
    [InlineData(216)]
    [InlineData(11601)]
    public void A_command_that_MongoDB_cannot_run_now_is_not_refused(int code)
    {
        var failure = MongoFailure.OfCommand(Database(), Answered(code));

        failure.Failure.ShouldBe(DatabaseFailure.Unavailable);
        MongoFailure.IsNotOffered(failure).ShouldBeFalse();
    }

    [Fact]
    public void L5_A_change_of_users_that_MongoDB_interrupted_may_be_done() =>
        MongoFailure.OfChange(Database(), Answered(11601)).Failure.ShouldBe(DatabaseFailure.AnswerLost);

    [Theory]
    [InlineData(0, DatabaseFailure.Unavailable)]
    [InlineData(91, DatabaseFailure.Unavailable)]
    [InlineData(133, DatabaseFailure.Unavailable)]
    [InlineData(189, DatabaseFailure.Unavailable)]
    [InlineData(11600, DatabaseFailure.Unavailable)]
    [InlineData(18, DatabaseFailure.LoginRefused)]
    public async Task MongoDB_that_breaks_off_an_authentication_has_refused_no_login(int code, DatabaseFailure expected)
    {
        await using var server = new OddMongoServer(command => command.GetElement(0).Name != "saslStart" ? null
            : code == 0 ? throw new IOException("it closes the connection")
            : new BsonDocument { { "ok", 0.0 }, { "errmsg", "not with me" }, { "code", code } });
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);
        var uri = $"mongodb://admin:p@127.0.0.1:{server.Port}/?directConnection=true";
        var database = Database(uri) with { Port = server.Port };

        var login = await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(database, new("u", new("p")), Cancellation));
        var count = await Should.ThrowAsync<DatabaseException>(() => engine.CountSessionsAsync(database, "u", Cancellation));

        login.Failure.ShouldBe(expected, login.Message);
        count.Failure.ShouldBe(expected, count.Message);
        if (code != 0) login.Message.ShouldContain("not with me");
    }

    [Theory]
    [InlineData(59, true)]
    [InlineData(115, true)]
    [InlineData(13, false)]
    public async Task A_server_without_serverStatus_is_counted_by_the_configured_limit(int code, bool isCounted)
    {
        await using var server = new OddMongoServer(command => command.GetElement(0).Name == "serverStatus" ? new() { { "ok", 0.0 }, { "errmsg", "not here" }, { "code", code } } : null);
        using var engine = new MongoDbEngine(NullLogger<MongoDbEngine>.Instance, TimeProvider.System);
        var database = Database($"mongodb://127.0.0.1:{server.Port}/?directConnection=true") with { Budget = new() { Limit = 60 } };

        if (isCounted) (await engine.SampleAsync(database, Cancellation)).Limit.ShouldBe(60);
        else (await Should.ThrowAsync<DatabaseException>(() => engine.SampleAsync(database, Cancellation))).Message.ShouldContain("not here");
    }

    private static MongoCommandException Answered(int code) => new(
        new ConnectionId(new ServerId(new ClusterId(), new DnsEndPoint("mongo", 27017))), "not now", new("ping", 1), new() { { "ok", 0 }, { "code", code }, { "errmsg", "not now" } });
}
