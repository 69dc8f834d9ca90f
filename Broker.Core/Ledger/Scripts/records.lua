-- Put before the decisions on records, after common.lua: texts with an end, for what clients of another protocol hold. Each kind is
-- kept apart from every database, under a name of its own.
-- leases: id -> groups, divided by commas|text; order: ids by their ends; holders: group -> ids, divided by spaces.
local records, record_ends, groups = leases, order, holders

local function members(group)
  local ids = {}
  for id in string.gmatch(call('HGET', groups, group) or '', '%S+') do ids[#ids + 1] = id end
  return ids
end

local function write_members(group, ids)
  if #ids == 0 then call('HDEL', groups, group) else call('HSET', groups, group, table.concat(ids, ' ')) end
end

-- Answers its text; nil: there was none.
local function drop(id)
  local of, text = string.match(call('HGET', records, id) or '', '^([^|]*)|(.*)$')
  call('ZREM', record_ends, id)
  call('HDEL', records, id)
  for group in string.gmatch(of or '', '[^,]+') do
    local kept = {}
    for _, other in ipairs(members(group)) do if other ~= id then kept[#kept + 1] = other end end
    write_members(group, kept)
  end
  return text
end

for _, over in ipairs(call('ZRANGEBYSCORE', record_ends, '-inf', int(now), 'LIMIT', '0', '100')) do drop(over) end

-- Until a record's end; nil: there is none.
local function ends_in(id)
  local till = call('ZSCORE', record_ends, id)
  return till and tonumber(till) > now and tonumber(till) - now or nil
end
