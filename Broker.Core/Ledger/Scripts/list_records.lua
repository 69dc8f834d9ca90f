-- The records of a group, in the order in which they were written.
-- asked:   group
-- answers: ids …
return answer{ ids = members(asked.group) }
