"""A/B tests: moments from the engine, estimates with one verdict, gates, sequential looks, planning and decisions."""
