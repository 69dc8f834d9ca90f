-- The issuer gave a lease more time.
-- asked:   lease, duration: ms, asked: time, renewable: flag, next_renewal: ms, spread: number, life?: ms
-- answers: ok | gone
local ROUNDING_MS = 2000 -- an issuer may cut this much off a lease by rounding
local l = lease(asked.lease)
if not l or l.state ~= 'Active' and l.state ~= 'Retiring' then return answer.gone() end
-- The issuer may have carried out an earlier renewal after a later one, and its user end with the earlier: it is asked once more, and the announced
-- end stands (law L4), also that of a lease that takes holders no more.
local earlier = stored(l.id, { 'renew_asked', 'renew_told' })
local is_late = asked.asked < num(earlier.renew_asked)
if is_late or l.state == 'Retiring' and asked.asked + asked.duration < l.expires - ROUNDING_MS then
  due('renew', l.id, now)
  return answer.gone()
end
if l.state == 'Retiring' then return answer.gone() end
-- The one before was reported only after this one was asked for: it may be the issuer's last as well.
if asked.asked < num(earlier.renew_told) then due('renew', l.id, now) end
note(l, 'renew_asked', int(asked.asked))
note(l, 'renew_told', int(now))
-- Issuers count in whole seconds, and let a user live some seconds longer than its lease: a smaller difference takes no announced end
-- back (law L4).
local ends_at = asked.asked + asked.duration
if ends_at < l.expires and l.expires - ends_at <= ROUNDING_MS then ends_at = l.expires end
put(l, 'expires', ends_at)
put(l, 'renewable', asked.renewable)
if asked.life then put(l, 'life', asked.life) end
note(l, 'renew', int(now + asked.next_renewal))
plan_rotation(l, asked.spread)
signal('pool:' .. l.pool)
return finish(answer.ok())
