-- Refusals by caller and role, as a replica has counted them since it last told. When there are more than are kept, the oldest go.
-- asked:   refusals {…}
--   refusals: role, code, caller, count: number, words
-- answers: done
local total = 0
for _, refused in ipairs(asked.refusals) do
  local member = refused.role .. '|' .. refused.code .. '|' .. refused.caller
  local first, _, count = string.match(call('HGET', refusals, member) or '', '^(%d+)|(%d+)|(%d+)|')
  call('HSET', refusals, member, int(first and num(first) or now) .. '|' .. int(now) .. '|' .. int(num(count) + refused.count) .. '|' .. refused.words)
  call('ZADD', refused_at, int(now), member)
  total = total + refused.count
end
local over = call('ZRANGEBYSCORE', refused_at, '-inf', int(now - REFUSALS_KEPT_MS), 'LIMIT', '0', '1000')
local many = num(call('ZCARD', refused_at)) - #over - MOST_REFUSALS
if many > 0 then over = call('ZRANGE', refused_at, '0', int(#over + many - 1)) end
for _, member in ipairs(over) do
  call('ZREM', refused_at, member)
  call('HDEL', refusals, member)
end
for tier = 1, #TIERS do
  local start, place = slot_at(tier, now)
  local s = read_slot(call('HGET', slots, place))
  -- Nothing was counted in this stretch yet; its limit of -1 says so.
  if not s or s.start ~= start then s = { start = start, limit = -1, ceiling = 0, foreign = 0, capacity = 0, granted = 0, used = 0, waiting = 0, free = 0, refused = 0 } end
  s.refused = s.refused + total
  write_slot(place, s)
end
keep_time()
return answer.done()
