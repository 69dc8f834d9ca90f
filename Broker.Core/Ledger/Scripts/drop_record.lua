-- Ends a record; only the caller that ends it gets its text.
-- asked:   id
-- answers: dropped (text) | none
if not ends_in(asked.id) then return answer.none() end
local text = drop(asked.id)
write_groups()
signal(asked.id)
return finish(answer.dropped{ text = text })
