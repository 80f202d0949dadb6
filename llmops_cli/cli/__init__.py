"""The llmops command line: parse, call one verb, show, exit; one file per command."""
