-- Writes a batch of records, each unless its id is taken. A group at its maximum size loses the one that ends soonest of its oldest and of some others:
-- nobody has renewed it for longest.
-- A wide group, whose name begins with w:, has a limit of its own.
-- asked:   most: number, most_in_group: number, most_in_wide: number, puts {…}
--   puts: id, groups …, text, lasts: ms
-- answers: verdicts …
local ids, names, in_groups = {}, {}, 0
for i, put in ipairs(asked.puts) do
  ids[i] = put.id
  for _, name in ipairs(put.groups) do names[#names + 1] = name end
  if #put.groups > 0 then in_groups = in_groups + 1 end
end
-- What a batch needs is read together and written together: most of a record's cost is one more question to Redis.
local there = call('HMGET', records, unpack(ids))
local count = num(call('ZCARD', record_ends))
local written = 0
if in_groups > 0 then
  for i, text in ipairs(call('HMGET', groups, unpack(names))) do read_group(names[i], text) end
  written = num(call('HINCRBY', budget, 'written', int(in_groups))) - in_groups
end

local texts, tills, joined = { records }, { record_ends }, { grouped }
local function write()
  if #texts > 1 then
    call('HSET', unpack(texts))
    call('ZADD', unpack(tills))
  end
  if #joined > 1 then call('ZADD', unpack(joined)) end
  write_groups()
  texts, tills, joined = { records }, { record_ends }, { grouped }
end

local function lose_one(g)
  local OLDEST, OTHERS = 20, 20
  write()
  local before, oldest, soonest = g.count, nil, math.huge
  local function look(from, most)
    for _, member in ipairs(call('ZRANGEBYSCORE', grouped, g.number, g.number, 'LIMIT', int(from), int(most))) do
      local till = num(call('ZSCORE', record_ends, id_in(member) or ''))
      if till < soonest then oldest, soonest = member, till end
    end
  end
  look(0, OLDEST)
  -- The oldest may all be renewed, and later ones not: evenly over the group, and others each time.
  local step = math.floor(before / OTHERS)
  for i = 0, step > 0 and OTHERS - 1 or -1 do look(i * step + written % step, 1) end
  if oldest then drop(id_in(oldest)) end
  -- The member is not a record of the broker's: somebody else wrote it.
  if g.count == before then
    if oldest then leave(g, oldest) else grow(g, -before) end
  end
  count = num(call('ZCARD', record_ends))
end

local function join(g, place, id)
  local most = string.sub(g.name, 1, 2) == 'w:' and asked.most_in_wide or asked.most_in_group
  while g.count >= most do lose_one(g) end
  g.number = g.number or int(num(call('HINCRBY', budget, 'groups', '1')))
  grow(g, 1)
  joined[#joined + 1] = g.number
  joined[#joined + 1] = g.number .. ' ' .. place .. ' ' .. id
end

local verdicts, put_now = {}, {}
for i, put in ipairs(asked.puts) do
  if put_now[put.id] or there[i] and ends_in(put.id) then verdicts[i] = 'taken'
  elseif count >= asked.most then verdicts[i] = 'full'
  else
    if there[i] then drop(put.id) end -- its end has come
    local of = ''
    if #put.groups > 0 then
      written = written + 1
      local place = string.format('%015.0f', written)
      for _, name in ipairs(put.groups) do join(group(name), place, put.id) end
      of = place .. ':' .. table.concat(put.groups, ',')
    end
    texts[#texts + 1] = put.id
    texts[#texts + 1] = of .. '|' .. put.text
    tills[#tills + 1] = int(now + put.lasts)
    tills[#tills + 1] = put.id
    put_now[put.id] = true
    count = count + 1
    verdicts[i] = 'put'
  end
end
write()
return answer{ verdicts = verdicts }
