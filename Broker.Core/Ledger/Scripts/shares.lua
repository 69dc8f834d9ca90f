-- Prepended to the decisions on what a caller or a team holds over all databases, after common.lua; kept under a name of its own.
-- leases: '<share>|<holder>' -> held|asked for|asks|mixed|version, and '<share>' -> count|connections; order: '<share>|<holder>' by its end;
-- ends: '<share>|<holder>' by the latest end of its asks, those of which nobody tells how they ended.
-- A part counts as the larger of what its holder has and what its asks under way may get: it is never less than what the
-- holder has in the books of its database. Its version changes with every ask that begins or ends.
local parts, part_ends, ask_ends = leases, order, ends

-- How many holders have a part of a share, and their connections.
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

-- A holder's part of a share; nil: none. mixed: several of its asks are, or were, under way at once.
local function part(share, who)
  local text = call('HGET', parts, share .. '|' .. who)
  if not text then return nil end
  local held, asked_for, asks, mixed, version = string.match(text, '^(%d+)|(%d+)|(%d+)|(%d)|(%d+)$')
  return { held = num(held or text), asked_for = num(asked_for), asks = num(asks), mixed = mixed == '1', version = num(version) }
end

local function size(p) return p and math.max(p.held, p.asked_for) or 0 end

local function put_part(share, who, p)
  local before = part(share, who)
  change(share, before and 0 or 1, size(p) - size(before))
  call('HSET', parts, share .. '|' .. who, int(p.held) .. '|' .. int(p.asked_for) .. '|' .. int(p.asks) .. '|' .. (p.mixed and '1' or '0') .. '|'
    .. int(tonumber(call('HINCRBY', budget, 'parts', '1'))))
end

local function drop(member)
  local share, who = string.match(member, '^(.-)|(.*)$')
  local p = share and part(share, who)
  if p then change(share, -1, -size(p)) end
  call('ZREM', part_ends, member)
  call('ZREM', ask_ends, member)
  call('HDEL', parts, member)
end

-- No ask of a part is under way any more; what its holder has stays.
local function end_asks(share, who, p)
  p.asks, p.asked_for, p.mixed = 0, 0, false
  call('ZREM', ask_ends, share .. '|' .. who)
end

-- An end that an ask or a memory sets is never earlier than another's.
local function lasts(by_end, share, who, lifetime)
  local member = share .. '|' .. who
  call('ZADD', by_end, int(math.max(now + lifetime, num(call('ZSCORE', by_end, member)))), member)
end

keep_time()
for _, over in ipairs(call('ZRANGEBYSCORE', part_ends, '-inf', int(now), 'LIMIT', '0', '1000')) do drop(over) end
-- Nobody tells any more how these asks ended: their replica died amid them.
for _, over in ipairs(call('ZRANGEBYSCORE', ask_ends, '-inf', int(now), 'LIMIT', '0', '1000')) do
  local share, who = string.match(over, '^(.-)|(.*)$')
  local p = share and part(share, who)
  if p and p.held > 0 then
    end_asks(share, who, p)
    put_part(share, who, p)
  else
    drop(over)
  end
end

-- The room for a holder's part, or the answer that there is none. A limit of 0 means no limit.
local function room(share, who, least)
  local mine = part(share.name, who)
  local count, connections = total(share.name)
  local left = share.connections == 0 and math.huge or share.connections - (connections - size(mine))
  -- Law L4: a limit that shrank, or others' parts beyond it, take nothing from a holder.
  if mine then left = math.max(left, size(mine)) end
  if (mine or share.holders == 0 or count < share.holders) and left >= least then return left end
  local next_end = call('ZRANGE', part_ends, '0', '0', 'WITHSCORES')[2]
  return nil, { name = share.name, holders = count, connections = connections, next_end_in = math.max(0, num(next_end) - now) }
end
