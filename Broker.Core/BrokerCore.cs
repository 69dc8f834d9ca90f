using Broker.Core.Audit;
using Broker.Core.Audit.Unproven;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MongoDb;
using Broker.Core.Databases.MySql;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Duties;
using Broker.Core.Issuing;
using Broker.Core.Issuing.BuiltIn;
using Broker.Core.Issuing.Vault;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Leases.Handles;
using Broker.Core.Leases.History;
using Broker.Core.Leases.Holders;
using Broker.Core.Leases.Issues;
using Broker.Core.Leases.Locating;
using Broker.Core.Leases.Logins;
using Broker.Core.Leases.Pausing;
using Broker.Core.Leases.Recovering;
using Broker.Core.Leases.Shadow;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Ledger.OnDisk;
using Broker.Core.Ledger.Redis;
using Broker.Core.Ledger.Sealing;
using Broker.Core.Limits;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;
using Broker.Core.Operators.Indicators;
using Broker.Core.Sessions;
using Broker.Core.Sessions.ClientTokens;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Broker.Core;

/// <summary>Wires the core's parts together.</summary>
public static class BrokerCore
{
    /// <summary>Adds all of the core. Needs logging, metrics and a <see cref="LiveCatalog"/>.</summary>
    public static IServiceCollection AddBrokerCore(this IServiceCollection services, BrokerSettings settings)
    {
        services.AddSingleton(settings.Waiting).AddSingleton(settings.Drill);
        services.AddLedger(settings);
        services.AddAudit(settings.Audit);
        services.AddEngines();
        services.AddIssuers();
        services.AddSingleton<BudgetSampler>();
        services.AddLeases();
        services.AddDuties();
        return services;
    }

    private static void AddAudit(this IServiceCollection services, AuditSettings settings)
    {
        services.AddSingleton<JsonLinesAudit>().AddSingleton(settings);
        services.AddSingleton<IAudit>(provider => new CallerRefusals(
            provider.GetRequiredService<JsonLinesAudit>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<CallerRefusals>>()));
        if (settings.ForUnproven() is not { } apart)
        {
            services.AddSingleton<UnprovenRefusals>();
            return;
        }

        services.AddSingleton(provider => new UnprovenAudit(
            new JsonLinesAudit(apart, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<JsonLinesAudit>>())));
        services.AddSingleton(provider => new UnprovenRefusals(
            provider.GetRequiredService<UnprovenAudit>().Audit, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<UnprovenRefusals>>()));
    }

    private static void AddLedger(this IServiceCollection services, BrokerSettings settings)
    {
        _ = settings.Ledger.Kind switch
        {
            LedgerKind.Redis => services.AddSingleton<ILedgerStore, RedisLedgerStore>(),
            LedgerKind.File => services.AddSingleton(settings.Ledger).AddSingleton<ILedgerStore, FileLedgerStore>(),
            _ => services.AddSingleton<ILedgerStore>(provider => new InProcessLedgerStore(provider.GetRequiredService<TimeProvider>()) { IsOfThisProcess = true }),
        };
        services.AddSealing(settings);
        services.AddSingleton<LedgerSeal>().AddSingleton<Fitness>().AddSingleton<FitLedgerStore>();
        services.AddSingleton(provider =>
        {
            // Resolved lazily, because the servers themselves use the ledger; and once, because every decision asks.
            var servers = new Lazy<Servers>(provider.GetRequiredService<Servers>);
            return new SharedLedger(provider.GetRequiredService<FitLedgerStore>())
            {
                Address = (database, cancellation) => servers.Value.AddressAsync(database, cancellation),
                NewMark = settings.Ledger.Kind == LedgerKind.InProcess ? () => MarkOfProcess(settings) : BrokerMark.New,
                FormerMarks = settings.Ledger.FormerMarks,
            };
        });
        services.AddSingleton(provider => new HistoryLedger(provider.GetRequiredService<FitLedgerStore>()));
        services.AddSingleton(provider => new SessionLedger(provider.GetRequiredService<FitLedgerStore>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new ShareLedger(
            provider.GetRequiredService<FitLedgerStore>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<RememberedGrants>().HasLeft));
    }

    // The in-process ledger stores no mark, so the mark is derived from the audit's path: it is the same after a restart, and differs between processes side by side.
    private static string MarkOfProcess(BrokerSettings settings) =>
        BrokerMark.Of(settings.Audit.Path is { } path && path != AuditSettings.StandardOutput ? Path.GetFullPath(path) : "");

    /// <summary>
    /// Adds the sealing of secrets and of the broker's own tokens. Without <c>Sealing</c> the keys belong to this process alone, which is enough for a
    /// single replica.
    /// </summary>
    public static IServiceCollection AddSealing(this IServiceCollection services, BrokerSettings settings)
    {
        // What is sealed under one prefix cannot be opened under another.
        var prefix = settings.Ledger.Prefix;
        var sealing = services.AddDataProtection().SetApplicationName(prefix == LedgerSettings.DefaultPrefix ? "broker" : "broker:" + prefix);
        if (settings.Ledger.Kind == LedgerKind.Redis) services.AddSingleton(provider => RedisConnection.Open(settings.Ledger, provider.GetRequiredService<ILogger<RedisConnection>>()));
        if (settings.Sealing is { } shared && (shared.Directory is not null || settings.Ledger.Kind != LedgerKind.InProcess)) sealing.KeepKeys(shared, settings.Ledger);
        else sealing.UseEphemeralDataProtectionProvider();
        return services;
    }

    private static void AddEngines(this IServiceCollection services)
    {
        services.AddKeyedSingleton<IDatabaseEngine, PostgreSqlEngine>(DatabaseEngineKind.PostgreSql);
        services.AddKeyedSingleton<IDatabaseEngine, MySqlEngine>(DatabaseEngineKind.MySql);
        services.AddKeyedSingleton<IDatabaseEngine, MongoDbEngine>(DatabaseEngineKind.MongoDb);
        services.AddSingleton(provider => new DatabaseEngines(kind => provider.GetRequiredKeyedService<IDatabaseEngine>(kind)));
    }

    private static void AddIssuers(this IServiceCollection services)
    {
        services.AddSingleton<IVaultTokenStore, LedgerVaultTokens>();
        services.AddVault();
        services.AddSingleton<BuiltInIssuer>();
        services.AddSingleton(provider =>
        {
            var issuers = new Issuers(
                definition => definition switch
                {
                    VaultIssuerDefinition vault => provider.GetRequiredService<VaultIssuerFactory>().Create(vault),
                    BuiltInIssuerDefinition => provider.GetRequiredService<BuiltInIssuer>(),
                    _ => throw new InvalidOperationException($"No issuer is of kind {definition.GetType().Name}."),
                },
                provider.GetRequiredService<TimeProvider>());
            provider.GetRequiredService<ICatalog>().Swapped += catalog => issuers.Keep(catalog.Issuers.Values);
            return issuers;
        });
    }

    private static void AddLeases(this IServiceCollection services)
    {
        services.AddSingleton<BrokerMetrics>().AddSingleton<LoginSealer>().AddSingleton<SealCheck>().AddSingleton<LeaseLogins>().AddSingleton<PoolerUsers>().AddSingleton<RememberedGrants>().AddSingleton<GonePods>();
        services.AddSingleton<DatabaseChannels>().AddSingleton<FlightLines>().AddSingleton<Issuance>().AddSingleton<StaticTurn>().AddSingleton<DeskAudit>().AddSingleton<ShutdownSignal>();
        services.AddSingleton<CredentialDesk>().AddSingleton<HolderDesk>().AddSingleton<PodDesk>().AddSingleton<HolderWatch>().AddSingleton<LeaseDesk>();
        services.AddSingleton<HoldingDesk>().AddSingleton<HistoryDesk>().AddSingleton<ExaminationDesk>().AddSingleton<RefusalJournal>();
        services.AddHostedService(provider => provider.GetRequiredService<RefusalJournal>());
        services.AddHostedService(provider => provider.GetRequiredService<PoolerUsers>());
        services.AddSingleton<BudgetDesk>().AddSingleton<CeilingDesk>().AddSingleton<PauseDesk>().AddSingleton<Ceilings>().AddSingleton<PoolerStates>().AddSingleton<RolePauses>().AddSingleton<KnownCapacities>().AddSingleton<CallerShares>().AddSingleton<SessionSealer>().AddSingleton<SessionDesk>().AddSingleton<DutyDesk>();
        services.AddSingleton<HandleLedger>().AddSingleton<HandleDesk>().AddSingleton<ClientTokenLedger>().AddSingleton<ClientTokenDesk>().AddSingleton<SecretIdUses>().AddSingleton<WrappedAnswers>().AddSingleton<UpstreamTokens>();
        services.AddSingleton<IndicatorDesk>().AddSingleton<LastDrill>().AddSingleton<ShadowTally>().AddSingleton<ShadowDesk>();
        services.AddSingleton<Leftovers>().AddSingleton<LeftoverDesk>();
        services.AddSingleton<ConnectionCaps>().AddSingleton<LeaseSuccessor>().AddSingleton<Recovery>().AddSingleton<Servers>();
    }

    private static void AddDuties(this IServiceCollection services)
    {
        services.AddSingleton(new Jitter(Random.Shared)).AddSingleton<DutyTools>();
        services.AddSingleton<IDuty, SampleDuty>();
        services.AddSingleton<IDuty, TokenDuty>();
        services.AddSingleton<IDuty, LeftoversDuty>();
        services.AddSingleton<IDuty, ReadyDuty>();
        services.AddSingleton<IDuty, RenewDuty>();
        services.AddSingleton<IDuty, VerifyDuty>();
        services.AddSingleton<IDuty, RotateDuty>();
        services.AddSingleton<IDuty, ExpireDuty>();
        services.AddSingleton<IDuty, RevokeDuty>();
        services.AddSingleton<IDuty, ReapDuty>();
        services.AddHostedService<DutyRounds>();
    }
}
