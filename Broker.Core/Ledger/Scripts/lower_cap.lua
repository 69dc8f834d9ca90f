-- Runs before the database is told to let a lease's user open less: from now on a claim has the cap raised first. Until the database is known
-- to have done it, the database may still let the user open more.
-- asked:   lease, token, cap: number
-- answers: lowered (cap: number) | lost | gone
local l = capped_lease(asked.lease)
if not l then return answer.gone() end
-- While replicas put back what the ledger lost, it may know of fewer holders than the lease has.
if capping(l) ~= asked.token or now < quiet then return answer.lost() end
put_cap(l, math.max(asked.cap, l.connections))
note(l, 'capped', '0')
return finish(answer.lowered{ cap = l.cap })
