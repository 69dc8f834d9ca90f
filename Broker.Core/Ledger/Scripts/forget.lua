-- Forgets a lease that is over. ARGV: channel, lease. Answers: ok | no
local l = lease(ARGV[2])
if not l then
  call('ZREM', order, ARGV[2])
  return { 'ok' }
end
if l.state ~= 'Revoked' and l.state ~= 'Failed' then return { 'no' } end
call('ZREM', order, l.id)
local p = pool(l.pool)
if p.cooling > 0 and p.cooling + KEEP_MS < now then call('HDEL', pools, l.pool .. '|cooling', l.pool .. '|failures') end
for _, fields in ipairs({ LEASE_FIELDS, LEASE_NOTES }) do
  for _, field in ipairs(fields) do call('HDEL', leases, l.id .. ':' .. field) end
end
return { 'ok' }
