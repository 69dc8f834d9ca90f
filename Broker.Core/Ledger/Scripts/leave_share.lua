-- A holder was released: its part of each share comes free, unless one of its asks began or ended since the part of the first was read. What an ask
-- that is under way gets stays with the holder, in all of them.
-- asked:   holder, version: number, shares …
-- answers: left | stays
local first = part(asked.shares[1], asked.holder)
if first and first.version ~= asked.version then return finish(answer.stays()) end
local left = true
for _, share in ipairs(asked.shares) do
  local p = part(share, asked.holder)
  if p and p.asks > 0 then
    p.held, left = 0, false
    put_part(share, asked.holder, p)
  else
    drop(share .. '|' .. asked.holder)
  end
end
wrote()
if not left then return finish(answer.stays()) end
local reply = finish(answer.left())
-- Another replica may remember its part, and would tell it to a ledger that loses all this.
pcall(call, 'PUBLISH', channel, 'left|' .. int(mark) .. '|' .. asked.holder)
return reply
