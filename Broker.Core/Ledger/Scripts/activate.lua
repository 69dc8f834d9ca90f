-- The login worked: the lease takes holders. One whose login is not written down (the ledger lost it) takes none: nobody could be given it, and
-- nobody would know what to revoke (law L5).
-- Step 11: Make the lease active, which wakes everybody who waits for it.
-- asked:   lease, fence, verify_every: ms, spread: number, user_limit?: number
-- answers: ok | overtaken
local l = lease(asked.lease)
if not l or l.state ~= 'Issuing' or l.fence ~= asked.fence or not stored(l.id, { 'login' }).login then return answer.overtaken() end
move(l, 'Active')
put(l, 'verified', math.max(now, lost + 1))
put(l, 'limit', asked.user_limit or -1)
local known, seen = 'user_limit:' .. l.role, 'user_limit_seen:' .. l.role
if asked.user_limit then call('HSET', budget, known, int(asked.user_limit), seen, int(now)) else call('HDEL', budget, known, seen) end
note(l, 'issued', int(now))
note(l, 'renew', int(now + l.life / 3))
note(l, 'empty', int(now))
land('lease:' .. l.id)
call('HDEL', pools, l.pool .. '|cooling', l.pool .. '|failures')
local p = pool(l.pool)
if p.next == l.id then set_next(p, nil) end
local follows = stored(l.id, { 'replaces', 'because' })
local replaced = follows.replaces and lease(follows.replaces)
if replaced and replaced.state == 'Active' then move(replaced, 'Retiring', follows.because) end
-- Another lease may have been put back while this one was being made: a pool has only one that takes holders (law L1).
local taker = p.taker and lease(p.taker)
if taker and taker.state == 'Active' and taker.holders < taker.max and taker.limit < 0 then move(taker, 'Retiring', 'a later one is known') end
set_taker(p, l.id)
if l.renewable then due_at('renew', l.id, now + l.life / 3) end
if asked.verify_every > 0 then due_at('verify', l.id, now + asked.verify_every) end
due_at('expire', l.id, math.min(l.expires, now + math.max(l.idle, RESERVED_MS)))
plan_rotation(l, asked.spread)
return finish(answer.ok())
