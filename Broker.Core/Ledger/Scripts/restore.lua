-- Puts back what a replica remembers of a lease that the ledger lost (law L8). What the ledger knows is left as it is.
-- ARGV: channel, epoch in which the loss was noticed, lease (empty: holders alone), pool, role, user name, issuer's id, sealed login, ms to its end, life ms,
--       renewable (1|0), issued at, most holders, idle ms, spread of rotations (0 to 1), why,
--       then per holder: id, connections, ms to its end, caller
-- Answers: how many holders were put back
if call('HGET', budget, 'quiet_of') ~= ARGV[2] then
  -- The first to notice: nothing new is granted until all replicas have had time to put back what they remember.
  call('HSET', budget, 'quiet_of', ARGV[2], 'quiet', int(now + QUIET_MS))
  call('ZADD', duties, int(now), 'sample')
  -- What an older copy still knows may have been revoked since: each login is tried before anybody new gets it (law L3).
  for _, id in ipairs(call('ZRANGE', order, '0', int(num(call('ZCARD', order)) - 1))) do
    local known = lease(id)
    if known and (known.state == 'Active' or known.state == 'Retiring') then
      put(known, 'verified', 0)
      due_at('verify', id, now)
    end
  end
end
local l = lease(ARGV[3])
if ARGV[3] ~= '' and not l then
  l = { id = ARGV[3], expires = now + num(ARGV[9]), broken = false, verified = 0, max = num(ARGV[13]), idle = num(ARGV[14]),
        life = num(ARGV[10]), holders = 0, connections = 0, pool = ARGV[4], role = ARGV[5], attempt = 0, starts = 0, fence = 0, begun = true, cap = -1 }
  lease_cache[l.id] = l
  local p = pool(l.pool)
  local taker = not p.taker and l.expires - now >= l.life / 2
  put(l, 'state', taker and 'Active' or 'Retiring')
  put(l, 'pool', l.pool)
  put(l, 'role', l.role)
  put(l, 'expires', l.expires)
  put(l, 'life', l.life)
  put(l, 'verified', l.verified)
  put(l, 'max', l.max)
  put(l, 'idle', l.idle)
  put(l, 'holders', 0)
  put(l, 'connections', 0)
  put(l, 'begun', true)
  put(l, 'renewable', ARGV[11] == '1')
  note(l, 'v', int(SCHEMA))
  note(l, 'user', ARGV[6])
  note(l, 'ref', ARGV[7])
  note(l, 'login', ARGV[8])
  note(l, 'issued', ARGV[12])
  note(l, 'created', ARGV[12])
  note(l, 'empty', int(now))
  note(l, 'why', ARGV[16])
  call('ZADD', order, ARGV[12], l.id)
  if taker then
    set_taker(p, l.id)
    if l.renewable then due_at('renew', l.id, now) end
    plan_rotation(l, num(ARGV[15]))
  end
  due_at('verify', l.id, now)
  due_at('expire', l.id, math.min(l.expires, now + math.max(l.idle, RESERVED_MS)))
  signal('pool:' .. l.pool)
end
local back = 0
for i = 17, #ARGV, 4 do
  if not holder(ARGV[i]) then
    local h = { id = ARGV[i], lease = '', connections = num(ARGV[i + 1]), till = now + num(ARGV[i + 2]), phase = 'h', caller = ARGV[i + 3] }
    count(h.id, h.connections, 1)
    if l and (l.state == 'Active' or l.state == 'Retiring') then
      h.till = math.min(h.till, l.expires)
      bind(h, l)
    end
    write_holder(h)
    back = back + 1
  end
end
return (finish({ int(back) }))
