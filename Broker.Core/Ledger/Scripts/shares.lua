-- Put before the decisions on what a caller or a team holds over all databases, after common.lua; kept under a name of its own.
-- leases: '<share>|<holder>' -> connections, and '<share>' -> count|connections; order: '<share>|<holder>' by its end.
local parts, part_ends = leases, order

-- How many have a part of a share, and their connections.
local function total(share)
  local count, connections = string.match(call('HGET', parts, share) or '', '^(%d+)|(%d+)$')
  return num(count), num(connections)
end

local function change(share, holders_by, connections_by)
  local count, connections = total(share)
  count, connections = count + holders_by, connections + connections_by
  if count < 0 or connections < 0 then broken('share ' .. share .. ' would have ' .. int(count) .. ' holders with ' .. int(connections) .. ' connections') end
  if count == 0 then call('HDEL', parts, share) else call('HSET', parts, share, int(count) .. '|' .. int(connections)) end
end

local function drop(member)
  local had = call('HGET', parts, member)
  if had then change(string.match(member, '^(.-)|'), -1, -num(had)) end
  call('ZREM', part_ends, member)
  call('HDEL', parts, member)
end

for _, over in ipairs(call('ZRANGEBYSCORE', part_ends, '-inf', int(now), 'LIMIT', '0', '1000')) do drop(over) end
