-- The records of a group, in the order in which they were written.
-- asked:   group, most: number
-- answers: ids …
return answer{ ids = members(asked.group, asked.most) }
