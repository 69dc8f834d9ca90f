-- Prepended to the decisions that let holders breathe, after common.lua and fair.lua. A holder that follows sizes is given more when connections are
-- free, which counts at once, and is asked to go down when others have less than is fair, which counts when the holder has confirmed it (law L2).
local follow, breathe, turn_away
do
  local STILL_MS = 5000    -- nobody grows until no holder has come for this long: the pods of a rollout do not take from each other in turn
  local CONFIRM_MS = 30000 -- a holder that has not confirmed for this long is treated as one that does not follow, and others are asked
  local TURNED_MS = 5000   -- a claim that was turned away is expected again for this long
  local AT_ONCE = 200      -- at most this many holders of a party are asked, or told, in one decision

  -- The connections that stay free when holders grow: for a rolling update's new pods beside the old ones.
  local surge_cache
  local function surge_room()
    if not surge_cache then
      surge_cache = 0
      for role, expected, percent, least in string.gmatch(call('HGET', budget, 'surge') or '', '([^;|]+)|(%d+)|(%d+)|(%d+)') do
        local there = holders_of(role)
        local old = num(expected) > 0 and math.min(there, num(expected)) or there
        local new = math.max(0, math.ceil(old * num(percent) / 100) - (there - old))
        surge_cache = surge_cache + new * num(least)
      end
    end
    return surge_cache
  end

  -- The division that is fair now, by party; recomputed when a class has changed.
  local division, division_edition = nil, -1
  local function fairness()
    if division_edition == class_edition then return division end
    local parties, found = {}, {}
    local function add_class(class, n)
      local name, least, want, size = string.match(class, '^([^|]*)|(%d+)|(%d+)|(%d+)$')
      local p = found[name]
      if not p then
        local terms = terms_of(name)
        p = { name = name, weight = terms.weight, guaranteed = terms.guaranteed, priority = terms.priority, classes = {} }
        found[name], parties[#parties + 1] = p, p
      end
      p.classes[#p.classes + 1] = { least = num(least), want = num(want), size = num(size), n = n }
    end
    local all = {}
    for class, n in pairs(classes_now()) do all[class] = n end
    for class, by in pairs(class_changes) do all[class] = (all[class] or 0) + by end
    for class, n in pairs(all) do
      if n > 0 then add_class(class, n) end
    end

    -- Waiters want something too, unless it is more than everything the holders could give back.
    for _, id in ipairs(call('ZRANGE', line, '0', '49')) do
      local ticket = read_ticket(id)
      if ticket and ticket.least <= (budget_numbers().capacity or 0) then add_class(ticket.party .. '|' .. int(ticket.least) .. '|' .. int(ticket.want) .. '|0', 1) end
    end
    local at, wanted, n = string.match(call('HGET', budget, 'turned') or '', '^(%d+);(.-);(%d+)$')
    if at and num(at) + TURNED_MS > now then add_class(wanted, num(n)) end

    table.sort(parties, function(a, b) return a.name < b.name end)
    local b = budget_numbers()
    local connections = within_reach() - b.ended - surge_room()
    terms_of('')
    for _, name in ipairs(party_terms.guaranteed) do
      local wants = 0
      for _, class in ipairs(found[name] and found[name].classes or {}) do wants = wants + class.n * class.want end
      connections = connections - math.max(0, party_terms[name].guaranteed - wants)
    end
    divide(connections, parties)
    division, division_edition = found, class_edition
    return division
  end

  -- The size that is fair for a follower. Whole numbers leave a remainder, and a follower may have one more than the level
  -- while not enough others of its party have it.
  local function fair_size(h)
    local p = fairness()[h.party]
    local size = clamp(p.level, h.least, h.want)
    if h.want <= p.level or h.least > p.level then return size end
    local others = h.to > p.level and -1 or 0
    for _, class in ipairs(p.classes) do
      if class.want > p.level and class.least <= p.level and class.size > p.level then others = others + class.n end
    end
    return others < p.extra and size + 1 or size
  end

  local function next_allotment(h) return math.max(h.allotment + 1, mark + 1, now) end

  local function go_down(h, to)
    h.to, h.allotment = to, next_allotment(h)
    write_holder(h)
    call('HSET', asked_of, h.id, int(now + CONFIRM_MS))
  end

  -- What may be given to holders that grow.
  local function room_to_grow(party)
    if came or now - budget_numbers().came < STILL_MS or num(call('ZCARD', line)) > 0 then return 0 end
    return math.max(0, room_for(party, surge_room()))
  end

  -- A follower says which allotment it follows: the last size that it was told and keeps to. Answers whether connections came free.
  function follow(h, allotment, most)
    local freed = false
    if not h.allotment then
      h.allotment = 0
      write_holder(h)
    elseif h.to < h.connections and allotment == h.allotment then
      set_size(h, h.to)
      call('HDEL', asked_of, h.id)
      tell(h)
      freed = true
    end
    if now < quiet then return freed end
    local fair = fair_size(h)
    if fair < h.connections then
      if fair ~= h.to then go_down(h, fair) end
      return freed
    end
    if h.to < h.connections then -- it may keep its size
      h.to, h.allotment = h.connections, next_allotment(h)
      write_holder(h)
      call('HDEL', asked_of, h.id)
    end
    local l = lease(h.lease)
    local more = math.min(fair, most) - h.connections
    if more > 0 and l and l.limit >= 0 then more = math.min(more, l.limit - l.connections) end
    if more > 0 then more = math.min(more, room_to_grow(h.party)) end
    if more > 0 then
      set_size(h, h.connections + more)
      h.allotment = next_allotment(h)
      write_holder(h)
    end
    return freed
  end

  -- The followers of a party whose size (or the size they are asked to go down to) is in this range, the largest first.
  local function of_size(party, least, most)
    local first = party_number(party) * PARTY + PARTY - 1
    return call('ZRANGEBYSCORE', breathing, int(first - most), int(first - least), 'LIMIT', '0', int(AT_ONCE))
  end

  -- A claim that was turned away comes again before long; until then holders with more than is fair make room for it.
  function turn_away(c)
    local wanted = c.party .. '|' .. int(c.least) .. '|' .. int(c.want) .. '|0'
    local at, same, n = string.match(call('HGET', budget, 'turned') or '', '^(%d+);(.-);(%d+)$')
    local more = same == wanted and num(at) + TURNED_MS > now and num(n) or 0
    call('HSET', budget, 'turned', int(now) .. ';' .. wanted .. ';' .. int(math.min(more + 1, 50)))
  end

  -- Asks holders with more than is fair to go down, and tells those that may have more; both get their new size by renewing.
  function breathe()
    if now < quiet or num(call('ZCARD', breathing)) == 0 then return end
    local asked_by = call('HGETALL', asked_of)
    for i = 1, #asked_by, 2 do
      local h = num(asked_by[i + 1]) <= now and holder(asked_by[i])
      if h and h.allotment and h.to < h.connections then
        h.to, h.allotment = h.connections, nil
        write_holder(h)
        call('ZREM', breathing, h.id)
      end
      if num(asked_by[i + 1]) <= now then call('HDEL', asked_of, asked_by[i]) end
    end

    division_edition = -1 -- a waiter may have come meanwhile
    local names = {}
    for name in pairs(fairness()) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      local p = fairness()[name]
      for _, id in ipairs(of_size(name, p.level + 1, PARTY - 1)) do
        local h = holder(id)
        local fair = h and h.allotment and fair_size(h)
        if fair and fair < h.to then
          go_down(h, fair)
          signal('size:' .. id)
        end
      end
    end
    for _, name in ipairs(names) do
      local room, p = room_to_grow(name), fairness()[name]
      local function tell_those_with(least, most)
        for _, id in ipairs(room > 0 and of_size(name, least, most) or {}) do
          local h = holder(id)
          local fair = h and h.allotment and fair_size(h) or 0
          if h and fair > h.to and room > 0 then
            room = room - (fair - h.to)
            signal('size:' .. id)
          end
        end
      end
      tell_those_with(0, p.level - 1)
      tell_those_with(p.level, p.level)
    end
  end
end
