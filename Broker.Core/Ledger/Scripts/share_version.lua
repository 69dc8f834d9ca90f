-- The version of a holder's part of a share; 0: it has none.
-- asked:   holder, share
-- answers: version: number
local mine = part(asked.share, asked.holder)
return answer{ version = mine and mine.version or 0 }
