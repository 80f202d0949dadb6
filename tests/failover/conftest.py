"""Small chains and loads that tests of the event loop share."""

from collections.abc import Callable

import pytest

from llmops_cli.failover.incidents import Incident, Outages
from llmops_cli.failover.load import Load
from llmops_cli.failover.play import Played, play
from llmops_cli.failover.policy import Deployment, FailoverPolicy
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
