-- Whether this broker's user may signal: fails in Redis' own words where it may not.
-- asked:   token
-- answers: done
call('PUBLISH', channel, 'hear:' .. asked.token)
return answer.done()
