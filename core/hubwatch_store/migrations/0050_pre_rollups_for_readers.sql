-- Who may read the public names and nothing behind them could not read readings_1m and readings_1h: the function inside
-- looked at the readings with the caller's rights, not with those of the view's owner. (Measured: costs no speed.)
ALTER FUNCTION hubwatch.rollup(interval, integer, timestamptz, timestamptz)
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
