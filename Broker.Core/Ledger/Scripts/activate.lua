-- The login worked: the lease takes holders. ARGV: channel, lease, fence. Answers: ok | superseded
local l = lease(ARGV[2])
if not l or l.state ~= 'Issuing' or l.fence ~= num(ARGV[3]) then return { 'superseded' } end
move(l, 'Active')
note(l, 'issued', int(now))
note(l, 'verified', int(now))
note(l, 'renew', int(now + l.life / 3))
note(l, 'empty', int(now))
call('ZREM', flights, 'lease:' .. l.id)
call('HDEL', pools, l.pool .. '|cooling', l.pool .. '|failures')
call('ZADD', duties, int(math.min(now + l.life / 3, now + math.max(l.idle, RESERVED_MS))), 'lease:' .. l.id)
return finish({ 'ok' })
