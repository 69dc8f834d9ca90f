using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Tests.Ledger;
using LoadTests.Servers.LocalServers;
using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Security.Redis;

/// <summary>A broker that may not work on a ledger says why, is not ready, and touches nothing in it.</summary>
public sealed class NotReadyTests(SharedServers servers) : IAsyncLifetime
{
    private RedisStage stage = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => stage = await RedisStage.StartAsync(servers);

    public ValueTask DisposeAsync() => stage.DisposeAsync();

    [Fact]
    public async Task A_broker_that_means_another_server_by_a_databases_name_is_refused_in_words_unless_it_has_a_prefix_of_its_own()
    {
        var first = await stage.BrokerAsync();
        await RedisStage.GrantAsync(first, stage.Pod(1));
        static void Elsewhere(JsonObject configuration) => configuration["Broker"]!["Databases"]!["orders"]!["Host"] = "localhost";

        await RefusedAsync(Elsewhere, "database 'orders' is PostgreSql 127.0.0.1:", () => GoesOnAsync(first));

        var apart = await stage.BrokerAsync(configuration =>
        {
            Elsewhere(configuration);
            configuration["Broker"]!["Ledger"]!["Prefix"] = "broker-elsewhere";
        });
        RedisStage.LeaseOf(await RedisStage.GrantAsync(apart, stage.Pod(1))).ShouldNotBe(RedisStage.LeaseOf(await RedisStage.GrantAsync(first, stage.Pod(1))));
    }

    [Fact]
    public async Task A_broker_with_other_sealing_keys_is_refused_in_words()
    {
        var first = await stage.BrokerAsync();
        await RedisStage.GrantAsync(first, stage.Pod(1));
        var keys = Directory.CreateDirectory(Path.Combine(stage.Directory, "other-keys"));
        await RefusedAsync(
            configuration => configuration["Broker"]!["Sealing"] = new JsonObject { ["Directory"] = keys.FullName }, "its sealing keys differ from those of the other replicas", () => GoesOnAsync(first));
    }

    [Fact]
    public async Task A_broker_with_a_new_sealing_certificate_works_on_the_ledger_that_stopped_brokers_leave()
    {
        var former = RedisStage.LeaseOf(await RedisStage.GrantAsync(await stage.BrokerAsync(), stage.Pod(1)));
        await stage.StopAsync();
        await LetAMinutePassAsync("seal-check");
        using var key = RSA.Create(2048);
        var (certificate, certificateKey) = stage.WriteCertificate("changed", key);

        var next = await stage.BrokerAsync(configuration =>
            configuration["Broker"]!["Sealing"] = new JsonObject { ["CertificateFile"] = certificate, ["CertificateKeyFile"] = certificateKey });

        RedisStage.LeaseOf(await RedisStage.GrantAsync(next, stage.Pod(2))).ShouldNotBe(former, "nobody can open what the former key sealed");
        // The former keys stay there and harm nobody.
        await stage.SaysAsync("of broker:sealing-keys in Redis were not written by a broker");
    }

    [Fact]
    public async Task L8_A_broker_that_starts_after_Redis_lost_the_sealing_keys_opens_what_those_that_run_have_sealed()
    {
        var first = await stage.BrokerAsync();
        var lease = RedisStage.LeaseOf(await RedisStage.GrantAsync(first, stage.Pod(1)));
        var keys = await stage.Written.ListRangeAsync("broker:sealing-keys");

        await stage.Redis.ExecuteAsync("FLUSHALL");
        var second = await stage.BrokerAsync();

        RedisStage.LeaseOf(await RedisStage.GrantAsync(second, stage.Pod(2))).ShouldBe(lease);
        await GoesOnAsync(first);
        (await stage.Written.ListRangeAsync("broker:sealing-keys")).Distinct().ShouldBe(keys, "no other keys were made");
    }

    [Fact]
    public async Task A_sealing_certificate_that_is_renewed_with_its_key_opens_what_the_former_one_sealed()
    {
        var first = await stage.BrokerAsync();
        var lease = RedisStage.LeaseOf(await RedisStage.GrantAsync(first, stage.Pod(1)));
        using var key = RSA.Create();
        key.ImportFromPem(await File.ReadAllTextAsync(stage.CertificateKey, Cancellation));
        var (certificate, certificateKey) = stage.WriteCertificate("renewed", key);

        var second = await stage.BrokerAsync(configuration =>
            configuration["Broker"]!["Sealing"] = new JsonObject { ["CertificateFile"] = certificate, ["CertificateKeyFile"] = certificateKey });

        RedisStage.LeaseOf(await RedisStage.GrantAsync(second, stage.Pod(2))).ShouldBe(lease);
        await GoesOnAsync(first);
    }

    [Fact]
    public async Task A_broker_whose_user_may_use_no_channel_is_refused_in_words()
    {
        string[] without = [.. RedisAsItIsRunTests.Acl.SkipWhile(word => word != "resetkeys").Where(word => !word.StartsWith('&'))];
        await stage.Redis.ExecuteAsync("ACL", ["SETUSER", "broker", "on", ">secret", .. without]);
        await RefusedAsync(configuration => configuration["Broker"]!["Ledger"]!["ConnectionString"] = stage.Redis.ConnectionString + ",user=broker,password=secret", "channel", AnswersAsync);
        (await stage.Written.HashLengthAsync("broker:{orders}:takes")).ShouldBe(0, "who is not ready takes no duty");
    }

    // An answer that says no has changed nothing: what was done is not called undone because nobody could be told.
    private async Task AnswersAsync()
    {
        await using var store = new RedisLedgerStore(RedisConnection.Open($"{stage.Redis.ConnectionString},user=broker,password=secret"));
        var ledger = new SharedLedger(store);
        await ledger.Budgets.SampleAsync("quiet", 10, 10, 0, 10, 0, TimeSpan.FromMinutes(1), Cancellation);
        (await ledger.Budgets.BudgetAsync("quiet", [], Cancellation)).Capacity.ShouldBe(10);
    }

    // Puts a shared text back to a minute ago, as if nobody had said it since.
    private async Task LetAMinutePassAsync(string name)
    {
        var books = LedgerKeys.Of(SharedLedger.Issuers)[0];
        var said = ((string)(await stage.Written.HashGetAsync(books, "shared:" + name))!).Split('|');
        await stage.Written.HashSetAsync(books, "shared:" + name, string.Create(CultureInfo.InvariantCulture, $"{said[0]}|{long.Parse(said[1], CultureInfo.InvariantCulture) - 60_000}"));
    }

    // It says why, and is not ready for as long as something else goes on.
    private async Task RefusedAsync(Action<JsonObject> change, string why, Func<Task> meanwhile)
    {
        var configuration = stage.Configuration();
        change(configuration);
        var log = Path.Combine(stage.Directory, Guid.NewGuid().ToString("N") + ".log");
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var starting = LocalBroker.StartAsync(new() { Configuration = configuration, LogFile = log, ReadyWithin = TimeSpan.FromMinutes(15) }, end.Token);
        try
        {
            await Eventually.HoldsAsync(
                () => Task.FromResult(starting.IsCompleted || RedisStage.TextOf(log).Contains(why, StringComparison.Ordinal)), $"it says '{why}'", Cancellation, () => RedisStage.TextOf(log));
            await meanwhile();
            starting.IsCompleted.ShouldBeFalse($"it has become ready, or has ended:\n{RedisStage.TextOf(log)}");
        }
        finally
        {
            await end.CancelAsync();
            await ((Task)starting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (starting.IsCompletedSuccessfully) await (await starting).DisposeAsync();
        }
    }

    private async Task GoesOnAsync(HttpClient first)
    {
        var before = (string?)await stage.Written.HashGetAsync("broker:{orders}:budget", "sampled");
        await Eventually.HoldsAsync(async () => (string?)await stage.Written.HashGetAsync("broker:{orders}:budget", "sampled") != before, "the first counts on", Cancellation);
        var (_, budget) = await RedisStage.SendAsync(first, HttpMethod.Get, "/api/v1/budgets/orders", stage.Identity.ViewerToken());
        ((int)budget["capacity"]!).ShouldBe(60, "all of it is the first one's");
        await RedisStage.GrantAsync(first, stage.Pod(2));
    }
}
