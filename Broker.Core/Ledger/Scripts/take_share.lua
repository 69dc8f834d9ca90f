-- An ask begins: it takes its part of every share, or of none. A limit of 0 means no limit. settling: replicas tell which parts the ledger lost.
-- asked:   holder, want: number, least: number, lifetime: ms, within: ms, settling: ms, shares {…}
--   shares: name, holders: number, connections: number
-- answers: taken (connections: number) | full (name, holders: number, connections: number, next_end_in: ms) | settling
--     (settles_in: ms)
-- lifetime: of the holder, from its grant on; within: how long the ask takes at most.
local give = asked.want
begin_anew(asked.settling)
-- What the ledger lost is told first; until then nobody new is let in.
if now < quiet and not call('HGET', parts, asked.shares[1].name .. '|' .. asked.holder) then
  return answer.settling{ settles_in = quiet - now }
end
for _, share in ipairs(asked.shares) do
  local left, full = room(share, asked.holder, asked.least)
  if not left then return answer.full(full) end
  give = math.min(give, left)
end
for _, share in ipairs(asked.shares) do
  local p = part(share.name, asked.holder) or { held = 0, asked_for = 0, asks = 0, mixed = false }
  p.mixed = p.mixed or p.asks > 0
  p.asks = p.asks + 1
  p.asked_for = math.max(p.asked_for, give)
  put_part(share.name, asked.holder, p)
  lasts(ask_ends, share.name, asked.holder, asked.within)
  lasts(part_ends, share.name, asked.holder, asked.within + asked.lifetime)
end
wrote()
return finish(answer.taken{ connections = give })
