"""``python -m llmops_cli`` is the ``llmops`` command."""

from llmops_cli.cli.app import main

main()
