-- Lets those who may see them read the names of cardholders, and nobody else. Run it after `hubwatch db migrate`, in
-- hubwatch's database, as a superuser. It can be run again. Then put the logins of those people into the role:
--   GRANT hubwatch_names TO kim;
-- hubwatch_reader (ops/grafana/reader.sql) reads cardholders by their pseudonyms only.

DO $$ BEGIN
    CREATE ROLE hubwatch_names NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;

GRANT USAGE ON SCHEMA hubwatch TO hubwatch_names;
GRANT SELECT ON hubwatch.cardholders, hubwatch.cardholder_names TO hubwatch_names;
