-- Whether the database has no holders and no waiters any more, so that it is asked nothing until somebody comes: the first caller then has
-- it counted (common.lua: wake).
-- asked:   pause_after: ms
-- answers: in_use | resting (looked: flag)
-- looked: the search for leftovers has also run since the database was last used.
tidy()
local used, idle, resting, looked = unpack(call('HMGET', budget, 'used', 'idle', 'resting', 'looked'))
local b = budget_numbers()
if b.granted > 0 or b.ended > 0 or num(call('ZCARD', line)) > 0 then
  call('HSET', budget, 'used', int(now))
  call('HDEL', budget, 'idle', 'resting')
  return finish(answer.in_use())
end
if not idle then
  -- It is counted at least once more, even where it rests at once: a count under way may have begun before the event that woke it.
  call('HSET', budget, 'idle', int(now))
  return finish(answer.in_use())
end
-- What a ledger lost is put back first, and what was there last is counted once more.
if now < quiet or not b.capacity or b.sampled <= num(used) or now - num(idle) < asked.pause_after then return finish(answer.in_use()) end
if not resting then call('HSET', budget, 'resting', '1') end
local unsure = each_lives('state', function(_, state) return state ~= 'Active' and state ~= 'Retiring' end)
return finish(answer.resting{ looked = not unsure and num(looked) > math.max(num(used), lost) })
