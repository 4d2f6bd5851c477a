-- journal: adds a row to the chain of what was done
SELECT hubwatch.journal(%(who)s::text, %(verified)s::boolean, %(hub)s::text, %(act)s::text, %(subject)s::text, %(details)s::jsonb);
