-- Put before the decisions on records, after common.lua: texts with an end, for what clients of another protocol hold. Each kind is
-- kept apart from every database, under a name of its own.
-- leases: id -> number in which it was written:groups, divided by commas|text (without groups, without a number); order: ids by their ends;
-- holders: group -> its number|how many records it has; breathing: "group's number record's number id" by the group's number, so that a
-- group's records stand together, in the order in which they were written.
local records, record_ends, groups, grouped = leases, order, holders, breathing

local function group(name)
  local number, count = string.match(call('HGET', groups, name) or '', '^(%d+)|(%d+)$')
  return number, num(count)
end

local function id_in(member) return string.match(member, '^%d+ %d+ (.*)$') end

local function members(name)
  local number = group(name)
  local ids = number and call('ZRANGEBYSCORE', grouped, number, number) or {}
  for i, member in ipairs(ids) do ids[i] = id_in(member) end
  return ids
end

local function oldest_of(number)
  return id_in(call('ZRANGEBYSCORE', grouped, number, number, 'LIMIT', '0', '1')[1])
end

local function join(name, number, count, written, id)
  number = number or int(num(call('HINCRBY', budget, 'groups', '1')))
  call('ZADD', grouped, number, number .. ' ' .. written .. ' ' .. id)
  call('HSET', groups, name, number .. '|' .. int(count + 1))
end

local function leave(name, written, id)
  local number, count = group(name)
  if not number or num(call('ZREM', grouped, number .. ' ' .. written .. ' ' .. id)) == 0 then return end
  if count > 1 then call('HSET', groups, name, number .. '|' .. int(count - 1)) else call('HDEL', groups, name) end
end

-- Answers its text; nil: there was none.
local function drop(id)
  local of, text = string.match(call('HGET', records, id) or '', '^([^|]*)|(.*)$')
  call('ZREM', record_ends, id)
  call('HDEL', records, id)
  local written, names = string.match(of or '', '^(%d+):(.*)$')
  for name in string.gmatch(names or '', '[^,]+') do leave(name, written, id) end
  return text
end

for _, over in ipairs(call('ZRANGEBYSCORE', record_ends, '-inf', int(now), 'LIMIT', '0', '100')) do drop(over) end

-- Until a record's end; nil: there is none.
local function ends_in(id)
  local till = call('ZSCORE', record_ends, id)
  return till and tonumber(till) > now and tonumber(till) - now or nil
end
