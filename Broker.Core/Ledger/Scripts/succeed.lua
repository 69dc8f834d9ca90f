-- Makes sure that a pool has a lease that takes holders, before anybody asks.
-- asked:   pool, role, max_holders: number, idle_ttl: ms, spacing: ms, tolerance: ms, new_lease, instead_of?, why
-- answers: ready | issue (lease, fence: number, starts_in: ms) | wait (starts_in: ms) | failed (retry_in: ms, why) | throttled
--     (starts_in: ms)
local p = pool(asked.pool)
local old = asked.instead_of and lease(asked.instead_of)
local l = pools_lease(p, old and old.id)
if l and unproven(l) then return finish(answer.wait{ starts_in = 0 }) end
if l and l.state == 'Active' then
  if old then move(old, 'Retiring', asked.why) end
  return finish(answer.ready())
end
-- Replicas tell what the ledger lost: another lease of the pool may be among it.
if now < quiet then return finish(answer.throttled{ starts_in = quiet - now }) end
if not l and p.cooling > now then return finish(answer.failed{ retry_in = p.cooling - now, why = p.why }) end
if not l then
  local starts
  l, starts = book(p, { name = asked.role, max_holders = asked.max_holders, idle_ttl = asked.idle_ttl }, asked.new_lease, asked.spacing, asked.tolerance,
    BOOKING_AHEAD_MS)
  if not l then return finish(answer.throttled{ starts_in = starts - now }) end
end
if old and old.state == 'Active' then
  note(l, 'replaces', old.id)
  note(l, 'because', asked.why)
end
note(l, 'wanted', '1')
if l.attempt < now and not l.begun then
  local wait = elect(l, asked.new_lease)
  return finish(answer.issue{ lease = l.id, fence = l.fence, starts_in = wait })
end
return finish(answer.wait{ starts_in = math.max(0, l.starts - now) })
