-- Ends a lease whose end has come, or that has no holders any more.
-- asked:   lease, idle: ms
-- answers: ended (state, why) | later (wait: ms) | gone
end_holders()
serve_line()
local l = lease(asked.lease)
if not l or (l.state ~= 'Active' and l.state ~= 'Retiring') then return finish(answer.gone()) end
local function ended(to, why)
  move(l, to, why)
  return finish(answer.ended{ state = to, why = why })
end
local function later(ms) return finish(answer.later{ wait = ms }) end
-- Not while replicas tell what the ledger lost: they may know of holders and of a later end.
if now < quiet then return later(quiet - now + 1) end
if l.expires <= now then return ended('Expired', 'its end came') end
if l.holders > 0 then return later(l.expires - now) end
local lingers = num(stored(l.id, { 'linger' }).linger) - now
if lingers > 0 then return later(lingers + 1) end
if l.state == 'Retiring' then return ended('Revoking', '') end
local before = awaited(l)
if before then return later(math.min(l.expires - now, math.max(1000, math.min(asked.idle, before.expires - now)))) end
-- A lease that takes no holders because it was once full waits for nobody.
local idle = pool(l.pool).taker == l.id and asked.idle or math.min(asked.idle, KEEP_MS)
local since = stored(l.id, { 'empty', 'issued' })
local ends_at = math.max(num(since.empty) + idle, num(since.issued) + RESERVED_MS)
if ends_at > now then return later(math.min(l.expires, ends_at) - now) end
move(l, 'Retiring', 'nobody holds it')
return ended('Revoking', '')
