-- Answers a batch of claims whose holders all ask again for what they have. It stands before everything else that a claim may need: Redis makes every
-- function that a script declares each time it runs, and these are most claims.
local asks = asked.asks
for _, ask in ipairs(asks) do
  ask.role = asked.roles[ask.role]
  ask.__index = ask -- a claim has all fields of its ask, and its holder's id
end
local whose, ids, callers = {}, asks[1].holders, asks[1].callers
if #asks > 1 then
  ids, callers = {}, {}
  for _, ask in ipairs(asks) do
    for i, id in ipairs(ask.holders) do
      local n = #ids + 1
      whose[n], ids[n], callers[n] = ask, id, ask.callers[i]
    end
  end
end

local packed = call('HMGET', holders, unpack(ids))

-- Why a holder has fewer connections than a claim wants. A holder that follows sizes has its part of the database, whatever it got at first.
-- most: the most it may be given (nil: it does not follow).
local function why_fewer(ask, id, connections, most)
  if ask.kind ~= 'Claim' or connections >= ask.want then return nil end
  return most and most > connections and 'follows ' .. int(connections) or call('HGET', fewer, id) or nil
end

-- A repeated claim writes nothing while this much of the holder's time is left.
local function enough(ask, l)
  local half = ask.role.holder_ttl / 2
  return ask.lasts and math.max(half, math.min(ask.role.holder_ttl, l.life / 3)) or half
end

local function as_it_is(l, connections, till, fewer)
  return verdict.granted{
    lease = l.id, connections = connections, ends_at = till, lease_ends_at = l.expires, verified_at = l.verified, overlap = nil, leaving = false,
    cap_leaves = cap_leaves(l), beside = nil, beside_connections = nil,
    down_to = nil, allotment = nil, range = nil, fewer = fewer, beside_ends_at = nil,
  }
end

-- Most claims come from pods that hold a good lease and ask again. They need only their answer, and it is the same for
-- all holders of a lease except for two numbers. Answers nil when there is more to decide.
local function again(ask, holder_id, text)
  local id, connections, till, to = string.match(text, '^([^|]+)|(%d+)|(%d+)|h|%d+|b%d+:%d+:(%d+):')
  local l = id and to == connections and lease(id)
  if not l or not lively(l) or tonumber(till) - now < enough(ask, l) then return nil end
  local less = tonumber(connections) < ask.want
  local why = less and why_fewer(ask, holder_id, tonumber(connections), tonumber(string.match(text, '^[^|]+|%d+|%d+|h|%d+|b%d+:(%d+):%d+:%d+:'))) or nil
  if why or #ids == 1 then return as_it_is(l, connections, till, why) end
  if l.said_with ~= l.connections then
    l.said_with = l.connections
    l.before, l.between, l.behind = string.match(as_it_is(l, '<', '>'), '^(.-)<(.-)>(.*)$')
  end
  return l.before .. connections .. l.between .. till .. l.behind
end

-- Nothing was lost, and no holder's time is over, which might free a place for somebody in line. From the first claim that needs more the rest of the
-- decision goes on.
local verdicts = {}
if heard <= num(known_voice) and seen <= mark and now >= quiet and not call('ZRANGEBYSCORE', ends, '-inf', int(now), 'LIMIT', '0', '1')[1] then
  for i, id in ipairs(ids) do
    local ask = whose[i] or asks[1]
    verdicts[i] = packed[i] and ask.kind == 'Claim' and again(ask, id, packed[i]) or nil
    if not verdicts[i] then break end
  end
  if #verdicts == #ids then return answer{ now = now, mark = mark, verdicts = verdicts } end
end
