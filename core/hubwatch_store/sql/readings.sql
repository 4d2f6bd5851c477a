-- copy: takes readings in binary
COPY hubwatch.reading (time, channel_id, value, quality, reason, device_time) FROM STDIN (FORMAT binary);
