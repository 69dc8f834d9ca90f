-- Prepended to the decisions by which an attempt to issue waits for its turn, after common.lua.

-- It waits for nobody: no claim has a seat on its lease, nothing is to be replaced by it, and it is kept ready for nobody. A caller that comes back in time
-- finds it where it was: it would only begin again behind all others.
local function is_unwanted(l)
  if l.begun or l.holders > 0 then return false end
  local v = stored(l.id, { 'wanted', 'empty' })
  return not v.wanted and math.max(num(v.empty), l.starts) + BOOKING_GRACE_MS < now
end

-- Answers whether the attempt still waits.
local function waits_on(l, ms)
  if is_unwanted(l) then
    move(l, 'Failed', 'nobody waits for it any more')
    return false
  end
  put(l, 'attempt', now + ms + ATTEMPT_MS)
  due_at('reap', l.id, l.attempt)
  return true
end
