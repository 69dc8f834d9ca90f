-- A replica says that it is there, and learns the ledger's epoch.
-- asked:   settling: ms
-- answers: done
begin_anew(asked.settling)
if not known_voice then wrote() end
keep_voices()
return finish(answer.done())
