-- Prepended to the decisions on records, after common.lua. Records are texts with an end, for what clients of another protocol hold. Each kind is
-- kept apart from every database, under a name of its own.
-- leases: id -> number in which it was written:groups, divided by commas|text (without groups, without a number); order: ids by their ends;
-- holders: group -> its number|how many records it has; breathing: "group's number record's number id" by the group's number, so that a
-- group's records stand together, in the order in which they were written.
local records, record_ends, groups, grouped = leases, order, holders, breathing

-- What is known of groups; write_groups() writes the changes, once however many records join and leave.
local group_cache, changed_groups = {}, {}

local function read_group(name, text)
  local number, count = string.match(text or '', '^(%d+)|(%d+)$')
  local g = { name = name, number = number, count = num(count), changed = false }
  group_cache[name] = g
  return g
end

local function group(name) return group_cache[name] or read_group(name, call('HGET', groups, name)) end

local function grow(g, by)
  g.count = math.max(0, g.count + by)
  if not g.changed then changed_groups[#changed_groups + 1] = g end
  g.changed = true
end

local function write_groups()
  local words = { groups }
  for _, g in ipairs(changed_groups) do
    g.changed = false
    if g.count > 0 then
      words[#words + 1] = g.name
      words[#words + 1] = g.number .. '|' .. int(g.count)
    else
      call('HDEL', groups, g.name)
    end
  end
  if #words > 1 then call('HSET', unpack(words)) end
  changed_groups = {}
end

local function id_in(member) return string.match(member, '^%d+ %d+ (.*)$') end

local function members(name, most)
  local number = group(name).number
  local ids = number and call('ZRANGEBYSCORE', grouped, number, number, 'LIMIT', '0', int(most)) or {}
  for i, member in ipairs(ids) do ids[i] = id_in(member) end
  return ids
end

local function leave(g, member)
  if num(call('ZREM', grouped, member)) > 0 then grow(g, -1) end
end

-- Answers its text; nil: there was none.
local function drop(id)
  local of, text = string.match(call('HGET', records, id) or '', '^([^|]*)|(.*)$')
  call('ZREM', record_ends, id)
  call('HDEL', records, id)
  local written, names = string.match(of or '', '^(%d+):(.*)$')
  for name in string.gmatch(names or '', '[^,]+') do
    local g = group(name)
    if g.number then leave(g, g.number .. ' ' .. written .. ' ' .. id) end
  end
  return text
end

for _, over in ipairs(call('ZRANGEBYSCORE', record_ends, '-inf', int(now), 'LIMIT', '0', '100')) do drop(over) end
write_groups()

-- The time until a record's end; nil: there is none.
local function ends_in(id)
  local till = call('ZSCORE', record_ends, id)
  return till and tonumber(till) > now and tonumber(till) - now or nil
end
