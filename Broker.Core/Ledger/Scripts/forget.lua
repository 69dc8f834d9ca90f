-- Forgets a lease that is over. ARGV: channel, lease. Answers: ok | no
local l = lease(ARGV[2])
if not l then
  call('ZREM', order, ARGV[2])
  return { 'ok' }
end
if l.state ~= 'Revoked' and l.state ~= 'Failed' then return { 'no' } end
call('ZREM', order, l.id)
local cooling = string.match(call('HGET', pools, l.pool .. '|cooling') or '', '^(%d+)')
if cooling and num(cooling) + KEEP_MS < now then call('HDEL', pools, l.pool .. '|cooling', l.pool .. '|failures') end
for _, field in ipairs({ 'state', 'pool', 'fence', 'starts', 'attempt', 'begun', 'expires', 'life', 'holders', 'connections', 'max', 'idle', 'role', 'renewable',
                         'created', 'why', 'empty', 'ref', 'user', 'login', 'issued', 'verified', 'renew', 'linger' }) do
  call('HDEL', leases, l.id .. ':' .. field)
end
return { 'ok' }
