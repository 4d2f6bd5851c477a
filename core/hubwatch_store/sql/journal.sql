-- record: an act of a person, chained to the ones before
SELECT hubwatch.journal(%(who)s, %(verified)s, %(hub)s, %(act)s, %(subject)s, %(details)s);
