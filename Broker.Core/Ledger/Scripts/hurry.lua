-- Makes a duty due now.
-- asked:   kind, subject
-- answers: done
due(asked.kind, asked.subject, now)
return answer.done()
