-- A holder was released: its part of each share comes free, unless one of its asks began or ended since the part of the first was read, or is under
-- way: what that ask gets stays with the holder, in all of them.
-- asked:   holder, version: number, shares …
-- answers: left | stays
local first = part(asked.shares[1], asked.holder)
if first and (first.version ~= asked.version or first.asks > 0) then return finish(answer.stays()) end
for _, share in ipairs(asked.shares) do
  local p = part(share, asked.holder)
  if p and p.asks == 0 then
    drop(share .. '|' .. asked.holder)
    wrote()
  end
end
return finish(answer.left())
