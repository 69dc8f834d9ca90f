-- The connections were counted. A holder that ended after the granted connections were read still counts as granted there, and may have
-- its connections open: they are treated as foreign until the next count. silent: holders that ended before that, whose connections the count
-- does not show as closed; still_open: how many connections that makes, beyond what is foreign already.
-- asked:   capacity: number, limit: number, reserved_for_superusers: number, ceiling: number, foreign: number, stale_after: ms,
--     server?: number, granted_at?: time, still_open: number, silent {…}, roles {…}, capped {…}, parties {…}, surges {…}, pool?:
--     number, pool_allowed?: number, beside {…}, poolers {…}
--   silent: holder, connections: number
--   roles: name, over: number, open: number
--   capped: lease, beyond: number
--   parties: name, weight: number, guaranteed: number, priority: number
--   surges: role, expected: number, percent: number, least: number
--   beside: database, guaranteed: number
--   poolers: database, size: number
-- answers: pool?: number
local since, missed = asked.granted_at or now + 1, 0
-- The database was asked before the granted connections were read. A count that stood still on its way, that a later one has overtaken, or since which
-- the ledger lost something, says nothing.
local taken_at = asked.granted_at or now
if now - taken_at > asked.stale_after or taken_at < num(call('HGET', budget, 'sampled')) or taken_at <= num(call('HGET', server, 'lost')) then return answer{ pool = nil } end
local kept = {}
for _, h in ipairs(asked.silent) do kept[h.holder] = h.connections end
local known = call('HGETALL', silent)
for i = 1, #known, 2 do
  local at, connections, on = string.match(known[i + 1], '^(%d+)|(%d+)|(.*)$')
  if num(at) >= since then missed = missed + num(connections)
  elseif kept[known[i]] then call('HSET', silent, known[i], at .. '|' .. int(kept[known[i]]) .. '|' .. on)
  else call('HDEL', silent, known[i]) end
end
call('HSET', budget, 'capacity', int(asked.capacity), 'limit', int(asked.limit), 'superusers', int(asked.reserved_for_superusers), 'ceiling', int(asked.ceiling),
  'foreign', int(asked.foreign), 'stale', int(asked.stale_after), 'sampled', int(taken_at), 'limbo', int(missed + asked.still_open))
local terms, surges = {}, {}
for i, party in ipairs(asked.parties) do
  terms[i] = party.name .. '|' .. int(party.weight) .. '|' .. int(party.guaranteed) .. '|' .. int(party.priority)
end
for i, surge in ipairs(asked.surges) do
  surges[i] = surge.role .. '|' .. int(surge.expected) .. '|' .. int(surge.percent) .. '|' .. int(surge.least)
end
call('HSET', budget, 'terms', table.concat(terms, ';'), 'surge', table.concat(surges, ';'))
-- server: for all databases of the server together. When another of them was counted after this count read what was granted, the holders
-- that ended in between count in neither: the smaller of the two holds until the next count.
if asked.server then
  local most, at = unpack(call('HMGET', server, 'capacity', 'counted'))
  most = most and num(at) >= since and math.min(num(most), asked.server) or asked.server
  call('HSET', server, 'capacity', int(most), 'counted', int(now))
end
-- beside: the guarantees on the server's other databases. All of each is kept until the database itself says how much of it nobody has.
local prefix, tag = string.match(server, '^(.*{(.-)}:)server$')
local function budget_of(database) return prefix .. (database == tag and '' or database .. ':') .. 'budget' end
for _, other in ipairs(asked.beside) do
  local field, all = 'kept:' .. budget_of(other.database), int(other.guaranteed) .. '|' .. int(other.guaranteed)
  local known, till = string.match(call('HGET', server, field) or '', '^(.*)|(%d+)$')
  if num(till) <= now or known == all and num(till) < now + LIVES_MS / 2 then call('HSET', server, field, all .. '|' .. int(now + LIVES_MS)) end
end
-- poolers: what the poolers of the server's other databases may have. All of it is reserved until those databases say what the poolers have.
for _, other in ipairs(asked.poolers) do
  local field = 'pool:' .. budget_of(other.database)
  local known, till = string.match(call('HGET', server, field) or '', '^(%d+)|(%d+)$')
  if num(till) <= now or num(known) > 0 and num(till) < now + LIVES_MS / 2 then call('HSET', server, field, int(other.size) .. '|' .. int(now + LIVES_MS)) end
end
-- pool: how many of the server's connections the database's pooler is to have, as far as the others leave them. pool_allowed: how many it may
-- have until it is told, which count for as long. They are taken here, before the pooler is told of more.
local pool
if asked.pool then
  local s = server_numbers()
  pool = math.max(0, math.min(asked.pool, s.capacity - s.others - s.kept))
  pooled = math.max(pool, math.min(asked.pool_allowed or 0, asked.server))
  call('HSET', budget, 'pooled', int(pooled))
  call('HSET', server, 'pool:' .. budget, '0|' .. int(now + 60 * LIVES_MS)) -- as long as what it says it has
elseif pooled then
  pooled = nil
  call('HDEL', budget, 'pooled')
  call('HDEL', server, 'pool:' .. budget)
end
counts_till = now + LIVES_MS
for _, role in ipairs(asked.roles) do call('HSET', budget, 'over:' .. role.name, int(role.over), 'open:' .. role.name, int(role.open)) end
for _, known in ipairs(asked.capped) do
  local l = lease(known.lease)
  if l and l.beyond ~= known.beyond then put(l, 'beyond', known.beyond) end
end
call('HDEL', budget, 'resting')
end_holders()
serve_line()
breathe()
signal('sampled')
return finish(answer{ pool = pool })
