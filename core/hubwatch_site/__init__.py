"""The site: what stands where at a hub, what lies beside what, and how people and vehicles pass."""

from hubwatch_site.cardholder import Cardholder
from hubwatch_site.draft import draft
from hubwatch_site.fences import Neighbour, neighbours
from hubwatch_site.file import load_site, parse_site
from hubwatch_site.model import DAYS, Clock, HubSite, TimeZoneName, days_of
from hubwatch_site.walking import Walks

__all__ = [
    "DAYS",
    "Cardholder",
    "Clock",
    "HubSite",
    "Neighbour",
    "TimeZoneName",
    "Walks",
    "days_of",
    "draft",
    "load_site",
    "neighbours",
    "parse_site",
]
