-- A replica says that it is there, and learns the ledger's epoch.
-- asked:   settling: ms
-- answers: done
begin_anew(asked.settling)
if not known_voice or now - num(known_voice) > VOICE_MS then wrote() end
return finish(answer.done())
