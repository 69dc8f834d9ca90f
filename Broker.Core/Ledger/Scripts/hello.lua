-- A replica says that it is there, and hears in which epoch the ledger is.
-- asked:   nothing
-- answers: done
if not known_voice or now - num(known_voice) > VOICE_MS then wrote() end
return finish(answer.done())
