-- Puts back what a replica remembers of a lease (one, or none) and its holders that the ledger lost (law L8). What the ledger knows is
-- left as it is.
-- asked:   epoch, leases {…}, holders {…}
--   leases: id, pool, role, username, issuer_id, sealed_login, ends_in: ms, life: ms, renewable: flag, issued_at: time,
--     max_holders: number, idle_ttl: ms, spread: number, why
--   holders: id, connections: number, ends_in: ms, caller
-- answers: back: number
if call('HGET', budget, 'quiet_of') ~= asked.epoch then
  -- The first to notice: nothing new is granted until all replicas have had time to put back what they remember.
  call('HSET', budget, 'quiet_of', asked.epoch, 'quiet', int(now + QUIET_MS))
  call('ZADD', duties, int(now), 'sample')
  -- What an older copy still knows may have been revoked since: each login is tried before anybody new gets it (law L3).
  for _, id in ipairs(call('ZRANGE', order, '0', int(num(call('ZCARD', order)) - 1))) do
    local known = lease(id)
    if known and (known.state == 'Active' or known.state == 'Retiring') then
      put(known, 'verified', 0)
      put(known, 'cap', -1) -- the database may have been told of another since
      note(known, 'capped', '0')
      due_at('verify', id, now)
    end
  end
end
local told = asked.leases[1]
local l = told and lease(told.id)
if told and not l then
  l = { id = told.id, expires = now + told.ends_in, broken = false, verified = 0, max = told.max_holders, idle = told.idle_ttl,
        life = told.life, holders = 0, connections = 0, pool = told.pool, role = told.role, attempt = 0, starts = 0, fence = 0, begun = true, cap = -1, limit = -1 }
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
  put(l, 'renewable', told.renewable)
  note(l, 'v', int(SCHEMA))
  note(l, 'user', told.username)
  note(l, 'ref', told.issuer_id)
  note(l, 'login', told.sealed_login)
  note(l, 'issued', int(told.issued_at))
  note(l, 'created', int(told.issued_at))
  note(l, 'empty', int(now))
  note(l, 'why', told.why)
  call('ZADD', order, int(told.issued_at), l.id)
  if taker then
    set_taker(p, l.id)
    if l.renewable then due_at('renew', l.id, now) end
    plan_rotation(l, told.spread)
  end
  due_at('verify', l.id, now)
  due_at('expire', l.id, math.min(l.expires, now + math.max(l.idle, RESERVED_MS)))
  signal('pool:' .. l.pool)
end
local back = 0
for _, had in ipairs(asked.holders) do
  if not holder(had.id) then
    local h = { id = had.id, lease = '', connections = had.connections, till = now + had.ends_in, phase = 'h', caller = had.caller }
    count(h.id, h.connections, 1)
    if l and (l.state == 'Active' or l.state == 'Retiring') then
      h.till = math.min(h.till, l.expires)
      bind(h, l)
    end
    write_holder(h)
    back = back + 1
  end
end
return finish(answer{ back = back })
