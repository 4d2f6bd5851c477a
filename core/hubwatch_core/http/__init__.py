"""What a process serves over HTTP: health, metrics, problem details."""

from hubwatch_core.http.rate_limit import RateLimit

__all__ = ["RateLimit"]
