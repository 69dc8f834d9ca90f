-- The login worked: the lease takes holders. ARGV: channel, lease, fence, verify again in ms (0: never), spread of rotations (0 to 1)
-- Answers: ok | superseded
local l = lease(ARGV[2])
if not l or l.state ~= 'Issuing' or l.fence ~= num(ARGV[3]) then return { 'superseded' } end
move(l, 'Active')
put(l, 'verified', now)
note(l, 'issued', int(now))
note(l, 'renew', int(now + l.life / 3))
note(l, 'empty', int(now))
call('ZREM', flights, 'lease:' .. l.id)
call('HDEL', pools, l.pool .. '|cooling', l.pool .. '|failures')
local p = pool(l.pool)
if p.next == l.id then set_next(p, nil) end
set_taker(p, l.id)
local v = call('HMGET', leases, l.id .. ':replaces', l.id .. ':because')
local replaced = v[1] and lease(v[1])
if replaced and replaced.state == 'Active' then move(replaced, 'Retiring', v[2]) end
never(l.id, 'reap')
if l.renewable then due_at('renew', l.id, now + l.life / 3) end
if num(ARGV[4]) > 0 then due_at('verify', l.id, now + num(ARGV[4])) end
due_at('expire', l.id, math.min(l.expires, now + math.max(l.idle, RESERVED_MS)))
plan_rotation(l, num(ARGV[5]))
return (finish({ 'ok' }))
