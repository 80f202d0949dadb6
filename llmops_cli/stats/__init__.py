"""Mathematics that has never heard of LLMs: intervals, agreement, resampling, power, looks."""
