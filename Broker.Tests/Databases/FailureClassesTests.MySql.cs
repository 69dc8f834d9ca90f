using System.Reflection;
using System.Security.Authentication;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using MySqlConnector;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

public sealed partial class FailureClassesTests
{
    // Out of memory or threads, a broken handshake, a host that is blocked, a node or a group that is not ready: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html,
    // https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference
    [Theory]
    [InlineData(1037)]
    [InlineData(1043)]
    [InlineData(1047)]
    [InlineData(1129)]
    [InlineData(1135)]
    [InlineData(3100)]
    [InlineData(3101)]
    [InlineData(3168)]
    public void MySQL_s_trouble_of_its_own_is_no_refusal(int code)
    {
        var thrown = Refused((MySqlErrorCode)code, "in trouble");

        MySqlFailure.OfLogin(Database(), "u", thrown).Failure.ShouldBe(DatabaseFailure.Unavailable);
        MySqlFailure.OfStatement(Database(), thrown).Failure.ShouldBe(DatabaseFailure.Unavailable);
    }

    [Theory]
    [InlineData(1045)]
    [InlineData(1130)]
    [InlineData(3159)]
    public void MySQL_s_refusal_of_a_login_is_one(int code) =>
        MySqlFailure.OfLogin(Database(), "u", Refused((MySqlErrorCode)code, "not you")).Failure.ShouldBe(DatabaseFailure.LoginRefused);

    [Fact]
    public void A_certificate_of_MySQL_that_the_broker_does_not_trust_says_nothing_about_the_login()
    {
        var untrusted = new AuthenticationException("The remote certificate is invalid");
        foreach (var thrown in new Exception[] { untrusted, Refused(MySqlErrorCode.UnableToConnectToHost, "SSL Authentication Error", untrusted) })
        {
            var failure = MySqlFailure.OfLogin(Database(), "u", thrown);
            failure.Failure.ShouldBe(DatabaseFailure.Unavailable);
            failure.Message.ShouldContain(thrown.Message);
        }
    }

    // The driver has no public constructor for what it throws.
    private static MySqlException Refused(MySqlErrorCode code, string words, Exception? inner = null) => (MySqlException)Activator.CreateInstance(
        typeof(MySqlException), BindingFlags.Instance | BindingFlags.NonPublic, binder: null, inner is null ? [code, words] : [code, words, inner], culture: null)!;
}
