"""Ways to tell people: one file a route, all of them listed in `table.py`."""
