using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Leases.Pausing;
using Broker.Core.Ledger;
using Broker.Core.Operators;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Budgets;

/// <summary>What a DBA is shown while the configuration changes.</summary>
public sealed class BudgetDeskTests
{
    [Fact]
    public async Task A_role_that_a_reload_takes_out_while_it_is_read_is_read_as_it_was()
    {
        await using var world = new BrokerWorld();
        await world.ReplicaAsync();
        var before = world.Service<ICatalog>().Current;
        var after = before with { Roles = before.Roles.Where(static role => role.Key != "orders-api").ToDictionary() };
        var desk = new BudgetDesk(
            new Turning(before, after), world.Service<SharedLedger>(), world.Service<RolePauses>(), world.Service<Ceilings>(), world.Service<PoolerStates>(), world.Service<HistoryLedger>(), world.Time);

        (await desk.FindRoleAsync("orders-api", TestContext.Current.CancellationToken)).ShouldNotBeNull().Use.Role.ShouldBe("orders-api");
        (await desk.FindRoleAsync("orders-api", TestContext.Current.CancellationToken)).ShouldBeNull("it is gone now");
    }

    /// <summary>Is reloaded as soon as it is looked at.</summary>
    private sealed class Turning(CatalogSnapshot before, CatalogSnapshot after) : ICatalog
    {
        private int looks;

        public event Action<CatalogSnapshot>? Swapped
        {
            add { }
            remove { }
        }

        public CatalogSnapshot Current => looks++ == 0 ? before : after;
    }
}
