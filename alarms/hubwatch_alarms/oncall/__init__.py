"""Who is on call, which alarms are for whom, and who is told next while nobody acknowledges."""
