"""What the console's pages show: the queue, what is behind an alarm, and whether anybody looks for alarms at all."""

from hubwatch_store.console import behind, health, queue
from hubwatch_store.console.behind import AlarmDetection
from hubwatch_store.console.health import Beat, HubWork
from hubwatch_store.console.queue import AlarmMove, HubSeen, QueueFilter, Which

__all__ = [
    "AlarmDetection",
    "AlarmMove",
    "Beat",
    "HubSeen",
    "HubWork",
    "QueueFilter",
    "Which",
    "behind",
    "health",
    "queue",
]
