"""What would the fleet do? The log replayed through replicas, batching and a router."""
