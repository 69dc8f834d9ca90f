-- Takes the duties that are due, and tells what happened to holders since this replica last asked. The token of a taken duty is the time
-- until which it is taken. A replica that does not know the ledger's epoch first has to tell what it remembers, and takes nothing.
-- moved: a holder that left, or one that stays and has had another lease or another size since.
-- asked:   most: number, taken_for: ms, settling: ms, epoch?, since: number, at_least?: time, standing …
-- answers: now: time, heard_to: number, gap: flag, moved {…}, taken {…}
--   moved: id, mark: number, stays: flag
--   taken: name, token, failures: number
local NEWS_MS = 600000   -- what replicas are told in their rounds is kept for this long
local MOST_NEWS = 2000     -- what a replica is told in a round, and the rest of its last mark
local BEHIND_MS = 1000   -- stopwatches may differ by less
local FAR_MS = 86400000  -- no server's clock is further off: a replica that says so was told a wrong time
local QUIET_DUTIES = { sample = true, verify = true, renew = true, token = true } -- the other duties end, drop or make something

-- The replica knows an earlier ledger time and how much time has passed since. A ledger whose server's clock fell back, or that lost its
-- record of the time, stood still for this long and continues from there (law L9).
local behind = (asked.at_least or 0) - now
if behind >= BEHIND_MS and asked.at_least - server_time < FAR_MS then
  if now < quiet then
    quiet = quiet + behind
    call('HSET', budget, 'quiet', int(quiet))
  end
  now = now + behind
  lacks = now - server_time
end

begin_anew(asked.settling)
if num(version) < SCHEMA then call('HSET', budget, 'schema', int(SCHEMA)) end
keep_voices()
local old = call('ZRANGEBYSCORE', news, '-inf', int(now - NEWS_MS))
if #old > 0 then
  call('HSET', budget, 'untold', call('ZSCORE', news, old[#old]))
  call('ZREMRANGEBYSCORE', news, '-inf', int(now - NEWS_MS))
end
for _, member in ipairs(asked.standing) do
  if not call('ZSCORE', duties, member) then call('ZADD', duties, int(now), member) end
end
keep_time()
works_here()
tidy()

-- While a user is being made, the ledger records whether replicas come here without a break (see back_since).
if #call('ZRANGEBYSCORE', flights, int(now - 60000), '+inf', 'LIMIT', '0', '1') > 0 then
  local back, last = back_since()
  if now - last >= 200 then call('HSET', budget, 'rounds', int(now) .. '|' .. int(back)) end
end

local told, heard_to = {}, mark
if asked.since > 0 then
  local since = call('ZRANGEBYSCORE', news, int(asked.since + 1), '+inf', 'LIMIT', '0', int(MOST_NEWS))
  if #since == MOST_NEWS then
    -- A page ends with a whole mark: the next one begins behind it.
    heard_to = num(call('ZSCORE', news, since[#since]))
    since = call('ZRANGEBYSCORE', news, int(asked.since + 1), int(heard_to))
  end
  for i, id in ipairs(since) do told[i] = { id = id, mark = num(call('ZSCORE', news, id)), stays = holder(id) and true or false } end
  -- What replicas tell meanwhile has marks of before the loss: nobody has heard that far for good.
  if now < quiet then heard_to = math.min(heard_to, asked.since) end
end

local found = {}
local takes_part = not asked.epoch or asked.epoch == epoch
for _, member in ipairs(takes_part and call('ZRANGEBYSCORE', duties, '-inf', int(now), 'LIMIT', '0', int(asked.most)) or {}) do
  local taken = num(call('HGET', takes, member))
  if now < quiet and not QUIET_DUTIES[string.match(member, '^[^:]*')] then
    call('ZADD', duties, int(quiet), member)
  elseif taken > now then
    -- Another replica is at it, and the duty became due again: it comes up once more as soon as that replica is done.
    call('HSET', takes, member .. '|again', '1')
    call('ZADD', duties, int(taken), member)
  else
    local till = int(now + asked.taken_for)
    call('HDEL', takes, member .. '|again')
    call('HSET', takes, member, till)
    call('ZADD', duties, till, member)
    found[#found + 1] = { name = member, token = till, failures = num(string.match(call('HGET', failing, member) or '0|', '^(%d+)|')) }
  end
end
return finish(answer{
  now = now, heard_to = heard_to, gap = asked.since > 0 and asked.since < num(call('HGET', budget, 'untold')), moved = told, taken = found,
})
