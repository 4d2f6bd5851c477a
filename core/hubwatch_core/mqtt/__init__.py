"""MQTT: a session with a broker that comes back by itself, and acknowledges after use."""

from paho.mqtt.client import topic_matches_sub

from hubwatch_core.message import Message
from hubwatch_core.mqtt.feed import Feed, FeedSession
from hubwatch_core.mqtt.link import MqttLink, MqttRefused
from hubwatch_core.mqtt.session import ConnectionState, MqttSession, Will
from hubwatch_core.mqtt.topic_filters import (
    TopicMap,
    covers,
    filter_problem,
    has_wildcard,
    meet,
    meeting,
    topic_problem,
    uncovered,
)

__all__ = [
    "ConnectionState",
    "Feed",
    "FeedSession",
    "Message",
    "MqttLink",
    "MqttRefused",
    "MqttSession",
    "TopicMap",
    "Will",
    "covers",
    "filter_problem",
    "has_wildcard",
    "meet",
    "meeting",
    "topic_matches_sub",
    "topic_problem",
    "uncovered",
]
