"""From reading to broker: frames, spool, publisher."""
