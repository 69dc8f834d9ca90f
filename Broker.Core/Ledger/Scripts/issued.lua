-- The issuer answered: what it made is written down before anything else is done with it (law L5), also what an overtaken attempt made, or one of which
-- the ledger has lost everything.
-- asked:   lease, fence, issuer_id, username, sealed_login, life: ms, lasts: ms, asked: time, renewable: flag, pool?, role?
-- answers: ok | overtaken | gone
-- pool, role: whose it is, for a ledger that does not know the lease.
local l = lease(asked.lease)
if not l and not asked.pool then return answer.gone() end
if not l or l.state ~= 'Issuing' or l.fence ~= asked.fence then
  if l and stored(l.id, { 'ref' }).ref == asked.issuer_id then return answer.overtaken() end -- said twice
  -- Another attempt's lease stays as it is (law L1): what this attempt made becomes a lease of its own, which is revoked.
  local late = l and l.fence == asked.fence and l.state == 'Unknown' and l
  if not late then
    late = lease(asked.lease .. '-' .. asked.fence)
    if late then return answer.overtaken() end -- said twice
    late = { id = asked.lease .. '-' .. asked.fence, expires = 0, broken = false, cap = -1, limit = -1, holders = 0 }
    lease_cache[late.id] = late
    for field, value in pairs({ state = 'Unknown', pool = l and l.pool or asked.pool, role = l and l.role or asked.role, idle = 0, max = 0, begun = true, holders = 0, connections = 0, starts = 0, attempt = 0 }) do
      put(late, field, value)
    end
    note(late, 'v', int(SCHEMA))
    note(late, 'created', int(now))
    note(late, 'why', 'an attempt that was overtaken made it')
    call('ZADD', order, int(now), late.id)
  end
  note(late, 'ref', asked.issuer_id)
  note(late, 'user', asked.username)
  due_at('reap', late.id, now)
  return finish(answer.overtaken())
end
note(l, 'ref', asked.issuer_id)
note(l, 'user', asked.username)
note(l, 'login', asked.sealed_login)
put(l, 'life', asked.life)
put(l, 'expires', asked.asked + asked.lasts) -- never later than the issuer's own end, however long the answer took to get here
put(l, 'renewable', asked.renewable)
return finish(answer.ok())
