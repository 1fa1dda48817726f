"""Several models in one run: prices, caps, rate limits, outages, and which model writes what."""
