"""A few seeds of `make bench ONLY=jetstream-chaos`, on every run of the suite."""

from __future__ import annotations

import pytest

from support.nats_chaos import running_cluster_scene


@pytest.mark.timeout(300)
async def test_whichever_server_dies_nothing_is_lost_doubled_or_unexplained() -> None:
    async with running_cluster_scene() as scene:
        for seed in (101, 102):
            verdict = await scene.torment(seed, 8.0, confirm_s=10.0)
            assert verdict.clean, f"seed {seed}: {verdict}; logs are kept under build/chaos"
        assert scene.trims
        assert scene.kills["leader"] + scene.kills["member"] + scene.kills["two"]
