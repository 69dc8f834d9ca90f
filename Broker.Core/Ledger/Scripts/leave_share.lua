-- Gives a holder's part of each share back.
-- asked:   holder, shares …
-- answers: done
for _, share in ipairs(asked.shares) do drop(share .. '|' .. asked.holder) end
return answer.done()
