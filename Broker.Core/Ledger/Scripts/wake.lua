-- Has a database counted that was not, because nobody held or waited for anything.
-- asked:   nothing
-- answers: done
wake()
return finish(answer.done())
