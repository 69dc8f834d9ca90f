-- Adds a count of a database's connections to its history, which keeps the extremes of each stretch of time.
-- asked:   limit: number, ceiling: number, foreign: number, capacity: number, granted: number, waiting: number, roles {…}
--   roles: name, connections: number
-- answers: done
local free = math.max(0, asked.capacity - asked.granted)
local used = asked.foreign + asked.granted
for tier = 1, #TIERS do
  local start, place = slot_at(tier, now)
  local s = read_slot(call('HGET', slots, place))
  if not s or s.start ~= start then
    s = { start = start, foreign = 0, granted = 0, used = 0, waiting = 0, free = free, capacity = asked.capacity, refused = 0 }
  elseif s.limit < 0 then
    s.free, s.capacity = free, asked.capacity
  end
  s.limit, s.ceiling = asked.limit, asked.ceiling
  s.foreign, s.granted, s.used = math.max(s.foreign, asked.foreign), math.max(s.granted, asked.granted), math.max(s.used, used)
  s.waiting, s.free, s.capacity = math.max(s.waiting, asked.waiting), math.min(s.free, free), math.min(s.capacity, asked.capacity)
  write_slot(place, s)
  if tier > 1 then
    local known, peaks = string.match(call('HGET', slots, place .. ':roles') or '', '^(%d+)|(.*)$')
    local most, count = {}, 0
    if num(known) == start then
      for role, connections in string.gmatch(peaks, '([^=,]+)=(%d+)') do
        most[role] = num(connections)
        count = count + 1
      end
    end
    for _, role in ipairs(asked.roles) do
      if most[role.name] or count < MOST_ROLES then
        if not most[role.name] then count = count + 1 end
        most[role.name] = math.max(most[role.name] or 0, role.connections)
      end
    end
    local words = {}
    for role, connections in pairs(most) do words[#words + 1] = role .. '=' .. int(connections) end
    call('HSET', slots, place .. ':roles', int(start) .. '|' .. table.concat(words, ','))
  end
end
keep_time()
return answer.done()
