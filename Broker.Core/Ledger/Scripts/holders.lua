-- Holders in the order of their ends, from a given end on; some of those with that end may be skipped.
-- asked:   ends_from: time, skip: number, most: number
-- answers: looked: number, holders {…}
--   holders: id, lease, caller, connections: number, ends_at: time, waiting: flag, party, down_to: number, least: number
-- down_to: what a holder is asked to go down to, or what it has; least: to what it goes down when others need it, or what it has where it does not follow sizes.
tidy()
local found = {}
local looked = call('ZRANGEBYSCORE', ends, int(asked.ends_from), '+inf', 'LIMIT', int(asked.skip), int(asked.most))
for _, id in ipairs(looked) do
  local h = holder(id)
  if h then
    local follows = h.allotment and h.phase == 'h'
    found[#found + 1] = {
      id = id, lease = h.lease, caller = h.caller, connections = h.connections, ends_at = h.till, waiting = h.phase == 'r', party = h.party,
      down_to = follows and h.to or h.connections, least = follows and h.least or h.connections,
    }
  end
end
return finish(answer{ looked = #looked, holders = found })
