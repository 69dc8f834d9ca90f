-- Prepended to the decisions on a database's history, after common.lua. It is kept under a name of its own, apart from claims.
-- leases: '<tier>:<place>' -> start|limit|ceiling|foreign|capacity|granted|used|waiting|free|refused, the extremes of one stretch of time,
-- and '<tier>:<place>:roles' -> start|role=connections,…; a place is overwritten when its turn comes round again.
-- pools: '<role>|<code>|<caller>' -> first|last|count|words; order: the same by its last time.
local TIERS = { { 10000, 360 }, { 60000, 360 }, { 600000, 144 }, { 3600000, 168 } } -- length of a stretch, and how many are kept
local MOST_ROLES = 100
local MOST_REFUSALS = 500
local REFUSALS_KEPT_MS = 604800000
local slots, refusals, refused_at = leases, pools, order

local function slot_at(tier, at)
  local start = at - at % TIERS[tier][1]
  return start, tier .. ':' .. int((start / TIERS[tier][1]) % TIERS[tier][2])
end

local function read_slot(text)
  local v = {}
  for number in string.gmatch(text or '', '[^|]+') do v[#v + 1] = tonumber(number) end
  if #v < 10 then return nil end
  return { start = v[1], limit = v[2], ceiling = v[3], foreign = v[4], capacity = v[5], granted = v[6], used = v[7], waiting = v[8], free = v[9], refused = v[10] }
end

local function write_slot(place, s)
  call('HSET', slots, place, int(s.start) .. '|' .. int(s.limit) .. '|' .. int(s.ceiling) .. '|' .. int(s.foreign) .. '|' .. int(s.capacity) .. '|' .. int(s.granted) .. '|'
    .. int(s.used) .. '|' .. int(s.waiting) .. '|' .. int(s.free) .. '|' .. int(s.refused))
end
