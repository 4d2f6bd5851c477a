-- pieces: the pieces a table is stored in, oldest first
SELECT piece, first, beyond FROM hubwatch.pieces(%s) ORDER BY first;

-- drop: takes a piece away with all that is in it
SELECT hubwatch.drop_piece(%s, %s, %s, %s);

-- estimated_rows: how many rows a piece has, as far as the planner knows
SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass;
