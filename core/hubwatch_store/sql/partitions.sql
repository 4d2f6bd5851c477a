-- partitions: the partitions a table is stored in, oldest first
SELECT piece, first, beyond FROM hubwatch.pieces(%s) ORDER BY first;

-- drop: drops a partition with all that is in it
SELECT hubwatch.drop_piece(%s, %s, %s, %s);

-- sparse: whether less than a third of a partition is rows, as far as the planner knows; 28 bytes are what a row costs beside
-- its columns (page layout, https://www.postgresql.org/docs/current/storage-page-layout.html)
SELECT pg_relation_size(c.oid) > 131072 AND c.reltuples >= 0
    AND pg_relation_size(c.oid) > 3 * c.reltuples * (28 + coalesce((SELECT sum(avg_width) FROM pg_stats s
        WHERE (s.schemaname, s.tablename) = (n.nspname, c.relname)), 0))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s::regclass;

-- estimated_rows: how many rows a partition has, as far as the planner knows
SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass;
