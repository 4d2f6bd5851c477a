"""A PostgreSQL and an MQTT broker from Python wheels, for the demo and for machines without services.

Both run as processes of their own and end with ours, however ours ends (see `keeper`).
"""

from hubwatch_ops.embedded.broker import embedded_broker, running_broker
from hubwatch_ops.embedded.postgres import embedded_postgres, running_postgres

__all__ = ["embedded_broker", "embedded_postgres", "running_broker", "running_postgres"]
