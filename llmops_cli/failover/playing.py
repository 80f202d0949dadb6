"""From a calls table to the simulation: the log cut into requests, priced, rated and played."""

from dataclasses import replace

from llmops_cli.calls import CallsTable
from llmops_cli.failover.model import FailoverParameters, Pool
from llmops_cli.failover.own_episodes import own_episodes
from llmops_cli.failover.pricing import worth_of
from llmops_cli.failover.requests import requests_of
from llmops_cli.failover.simulation import Simulation, simulate

__all__ = ["played_log"]


def played_log(calls: CallsTable, pool: Pool, given: FailoverParameters) -> Simulation:
    """Play a log under every policy of a pool.

    Args:
        calls: as :func:`llmops_cli.failover.simulate_failover` takes them.
        pool: deployments, policies, incidents and outages.
        given: how much is played, and the gates.

    Raises:
        LlmopsError: as :func:`llmops_cli.failover.simulate_failover`.
    """
    requests = requests_of(calls)
    if given.own_episodes:
        home = pool.chain[pool.lines[-1].places[0]].name
        pool = replace(pool, incidents=(*pool.incidents, *own_episodes(requests, home)))
    return simulate(requests, pool, worth_of(requests, pool), given)
