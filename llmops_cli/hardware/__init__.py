"""GPUs and model shapes, and how long a step of one on the other takes: shared facts."""
