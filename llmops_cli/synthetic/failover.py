"""A failover file for the classifier: deployments and policies, no outages of its own.

Prices are not in it: they come from the price book.
"""

__all__ = ["POOL", "TRUTHS"]

TRUTHS = {"deployments": 3, "policies": 5}

POOL = """\
# Where the classifier's requests can be answered, and what a client does when they are not.
# llmops simulate-failover datasets/classifier.jsonl.gz --pool datasets/failover.yaml \\
#   --published-outages
schema: llmops.failover/1
deployments:
  - name: haiku
    provider: anthropic
    model: claude-haiku-4-5
    quality: 0.90
    error_rate: 0.004
    error: overloaded
  - name: mini
    provider: openai
    model: gpt-4.1-mini
    latency_ratio: 1.2
    quality: 0.87
    error_rate: 0.002
    requests_per_minute: 500
  - name: sonnet
    provider: anthropic
    model: claude-sonnet-4-5
    latency_ratio: 1.8
    quality: 0.93
    error_rate: 0.003
    requests_per_minute: 50
policies:
  - name: one attempt
    deployments: [haiku]
    backoff: {attempts: 1}
    breaker: null
  - name: retries
    deployments: [haiku]
    breaker: null
  - name: same provider
    deployments: [haiku, sonnet]
    breaker: null
  - name: other provider
    deployments: [haiku, mini]
    breaker: null
  - name: with circuit breaker
    deployments: [haiku, mini]
    breaker: {allowed_failures: 2, cooldown_s: 30}
    timeout_s: 20
"""
"""The file; nothing in it is drawn."""
