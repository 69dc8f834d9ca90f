-- Takes a holder's part of each share, all or none; limits of 0 are none. A holder that is in already keeps its place.
-- asked:   holder, want: number, least: number, lifetime: ms, shares {…}
--   shares: name, holders: number, connections: number
-- answers: taken (connections: number) | full (name, holders: number, connections: number, next_end_in: ms)
local give = asked.want
for _, share in ipairs(asked.shares) do
  local had = call('HGET', parts, share.name .. '|' .. asked.holder)
  local count, connections = total(share.name)
  local room = share.connections == 0 and give or share.connections - (connections - num(had))
  if (not had and share.holders > 0 and count >= share.holders) or room < asked.least then
    local next_end = call('ZRANGE', part_ends, '0', '0', 'WITHSCORES')[2]
    return answer.full{ name = share.name, holders = count, connections = connections, next_end_in = math.max(0, num(next_end) - now) }
  end
  give = math.min(give, room)
end
for _, share in ipairs(asked.shares) do
  local member = share.name .. '|' .. asked.holder
  local had = call('HGET', parts, member)
  change(share.name, had and 0 or 1, give - num(had))
  call('HSET', parts, member, int(give))
  call('ZADD', part_ends, int(now + asked.lifetime), member)
end
return answer.taken{ connections = give }
