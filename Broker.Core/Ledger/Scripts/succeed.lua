-- Sees to it that a pool has a lease that takes holders, ahead of anybody's asking.
-- ARGV: channel, pool, role, most holders per lease, idle ms, ms between users, burst tolerance ms, id for a new lease,
--       lease that is to be followed by another (empty: none), why
-- Answers: ready (the pool has one; the lease to be followed, if any, takes holders no more) | issue, lease, fence, ms until it may start |
--          waiting, ms until it may start | failed, ms until another attempt, why | throttled, ms until it may start
local p = pool(ARGV[2])
local old = ARGV[9] ~= '' and lease(ARGV[9])
local l = pools_lease(p, old and old.id)
if l and unproven(l) then return (finish({ 'waiting', '0' })) end
if l and l.state == 'Active' then
  if old then move(old, 'Retiring', ARGV[10]) end
  return (finish({ 'ready' }))
end
if not l and p.cooling > now then return (finish({ 'failed', int(p.cooling - now), p.why })) end
if not l then
  local starts
  l, starts = book(p, { name = ARGV[3], max = num(ARGV[4]), idle = num(ARGV[5]) }, ARGV[8], num(ARGV[6]), num(ARGV[7]))
  if not l then return (finish({ 'throttled', int(starts - now) })) end
end
if old and old.state == 'Active' then
  note(l, 'replaces', old.id)
  note(l, 'because', ARGV[10])
end
if l.attempt < now then
  local wait = elect(l)
  return (finish({ 'issue', l.id, int(l.fence), int(wait) }))
end
return (finish({ 'waiting', int(math.max(0, l.starts - now)) }))
