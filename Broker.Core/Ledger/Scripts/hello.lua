-- A replica says that it is there, and learns the ledger's epoch.
-- asked:   nothing
-- answers: done
if not known_voice or now - num(known_voice) > VOICE_MS then wrote() end
return finish(answer.done())
