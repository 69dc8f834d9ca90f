-- What a caller or a team holds over all databases, kept under a name of its own; one hash and one set for all of them.
-- take:  ARGV: channel, 'take', holder, want, least, lifetime ms, then for each share: name, most holders, most connections (0: any).
--        Answers: ok, connections | no, the share's name, holders, connections, next end in ms
-- leave: ARGV: channel, 'leave', holder, then the shares' names. Answers: ok
-- leases: '<share>|<holder>' -> connections, and '<share>' -> count|connections; order: '<share>|<holder>' by its end.
local verb, who = ARGV[2], ARGV[3]

local function total(share)
  local count, connections = string.match(call('HGET', leases, share) or '', '^(%d+)|(%d+)$')
  return num(count), num(connections)
end

local function change(share, holders_by, connections_by)
  local count, connections = total(share)
  count, connections = count + holders_by, connections + connections_by
  if count <= 0 then call('HDEL', leases, share) else call('HSET', leases, share, int(count) .. '|' .. int(math.max(0, connections))) end
end

local function drop(member)
  local had = call('HGET', leases, member)
  call('ZREM', order, member)
  if not had then return end
  call('HDEL', leases, member)
  change(string.match(member, '^(.-)|'), -1, -num(had))
end

for _, over in ipairs(call('ZRANGEBYSCORE', order, '-inf', int(now), 'LIMIT', '0', '1000')) do drop(over) end

if verb == 'leave' then
  for i = 4, #ARGV do drop(ARGV[i] .. '|' .. who) end
  return { 'ok' }
end

local give, least = num(ARGV[4]), num(ARGV[5])
for i = 7, #ARGV, 3 do
  local share, most_holders, most_connections = ARGV[i], num(ARGV[i + 1]), num(ARGV[i + 2])
  local had = call('HGET', leases, share .. '|' .. who)
  local count, connections = total(share)
  local room = most_connections == 0 and give or most_connections - (connections - num(had))
  if (not had and most_holders > 0 and count >= most_holders) or room < least then
    local next_end = call('ZRANGE', order, '0', '0', 'WITHSCORES')[2]
    return { 'no', share, int(count), int(connections), int(math.max(0, num(next_end) - now)) }
  end
  give = math.min(give, room)
end
for i = 7, #ARGV, 3 do
  local share = ARGV[i]
  local member = share .. '|' .. who
  local had = call('HGET', leases, member)
  change(share, had and 0 or 1, give - num(had))
  call('HSET', leases, member, int(give))
  call('ZADD', order, int(now + num(ARGV[6])), member)
end
return { 'ok', int(give) }
