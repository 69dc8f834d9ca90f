-- Forgets a lease that is over.
-- asked:   lease
-- answers: forgotten | not_over
-- Fields that only people and duties read.
local LEASE_NOTES = { 'v', 'created', 'why', 'empty', 'ref', 'user', 'login', 'issued', 'renew', 'rotate', 'replaces', 'because', 'shut', 'linger', 'capped', 'capping',
  'renew_asked', 'renew_told' }
local l = lease(asked.lease)
if not l then
  call('ZREM', order, asked.lease)
  call('ZREM', over, asked.lease)
  return answer.forgotten()
end
if l.state ~= 'Revoked' and l.state ~= 'Failed' then return answer.not_over() end
call('ZREM', order, l.id)
call('ZREM', over, l.id)
local p = pool(l.pool)
if p.cooling > 0 and p.cooling + KEEP_MS / 2 < now then call('HDEL', pools, l.pool .. '|cooling', l.pool .. '|failures') end
-- What is left of duties whose replica died. The last duty forgets the lease, and is done after this.
for kind in pairs(lease_duties()) do
  if kind ~= 'reap' then call('HDEL', takes, kind .. ':' .. l.id, kind .. ':' .. l.id .. '|again') end
end
for _, fields in ipairs({ LEASE_FIELDS, LEASE_NOTES }) do
  for _, field in ipairs(fields) do call('HDEL', leases, l.id .. ':' .. field) end
end
return answer.forgotten()
