-- Whether this broker's user may signal; when it may not, this fails with Redis' own words.
-- asked:   token
-- answers: done
call('PUBLISH', channel, 'hear:' .. asked.token)
return answer.done()
