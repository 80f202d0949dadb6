"""What the machines can do: GPUs and model shapes as reviewed data, and how long a step takes."""
