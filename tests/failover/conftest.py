"""Small chains and loads that tests of the event loop share."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from llmops_cli.failover.incidents import Incident, Outages
from llmops_cli.failover.load import Load
from llmops_cli.failover.play import Played, play
from llmops_cli.failover.policy import Deployment, FailoverPolicy
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.world import Manner, World

Player = Callable[..., Played]


@pytest.fixture
def chain() -> tuple[Deployment, ...]:
    return (
        Deployment(name="first", provider="a", model="m"),
        Deployment(name="second", provider="b", model="m"),
    )


@pytest.fixture
def played(chain: tuple[Deployment, ...]) -> Player:
    """Play evenly spaced requests of one second each."""

    def run(  # noqa: PLR0913 - one keyword per thing a test varies
        policy: FailoverPolicy,
        incidents: tuple[Incident, ...] = (),
        *,
        requests: int = 10,
        every_s: float = 1.0,
        deployments: tuple[Deployment, ...] = chain,
        manners: tuple[Manner, ...] | None = None,
        tokens: int = 100,
        seed: int = 0,
    ) -> Played:
        load = Load(
            [every_s * at for at in range(requests)],
            [1.0] * requests,
            [1.0] * requests,
            [tokens] * requests,
            list(range(requests)),
        )
        known = manners or tuple(Manner() for _ in deployments)
        world = World(deployments, known, Outages(incidents, deployments), load, seed=seed)
        return play(policy, deployments, world, load, seed=seed)

    return run


@pytest.fixture(scope="session")
def log() -> Callable[..., Requests]:
    """A log at an even pace: durations, and per call its model and whether it was measured."""

    def made(
        durations_s: np.ndarray,
        *,
        every_s: float = 1.0,
        model: np.ndarray | str = "m",
        measured: np.ndarray | None = None,
        tokens: int = 100,
    ) -> Requests:
        n = len(durations_s)
        used = np.zeros((n, 5), dtype=np.int64)
        used[:, 0] = tokens
        return Requests(
            arrival_s=every_s * np.arange(n, dtype=float),
            duration_s=np.asarray(durations_s, dtype=float),
            first_s=np.asarray(durations_s, dtype=float),
            tokens=used,
            task=np.zeros(n, dtype=np.int64),
            tasks=("",),
            conversation=np.arange(n),
            error=np.full(n, ""),
            model=np.broadcast_to(np.asarray(model), n).astype(str),
            measured=np.ones(n, dtype=bool) if measured is None else measured,
            began=pd.Timestamp("2026-01-05T10:00:00Z"),
            filled=0,
        )

    return made
